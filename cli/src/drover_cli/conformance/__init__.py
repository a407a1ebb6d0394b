"""The executor protocol as a suite: plays executors over HTTP alone and holds an API to every rule."""
