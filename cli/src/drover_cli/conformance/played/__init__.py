"""The API as an executor sees it, played by this process, to hold executors to the protocol."""
