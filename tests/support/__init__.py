"""Real servers and fresh databases, queues and buckets for tests."""
