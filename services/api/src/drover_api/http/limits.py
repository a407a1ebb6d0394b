"""How large a body may be: lists of hosts and of launches are large, nothing else is."""

from flask import Flask, request

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_LARGE_BODY_BYTES = 32 * 1024 * 1024  # ten thousand hosts with their variables in one request
LARGE = frozenset({"create_hosts", "import_inventory", "launch_jobs", "finish_run"})


def register(app: Flask) -> None:
    """Let a larger body of any request be answered with 413 before it is read."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES

    @app.before_request
    def _limit() -> None:
        if (request.endpoint or "").rpartition(".")[2] in LARGE:
            request.max_content_length = MAX_LARGE_BODY_BYTES
