"""Commands on kombu queues: small, repeatable, and without any secret."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

RUN_AVAILABLE = "run.available"


class MessageError(ValueError):
    """A message that cannot be read; its text names the field."""


def run_available(run_id: UUID, pool: str) -> dict[str, Any]:
    """The message that a run of `pool` waits to be claimed."""
    return {"type": RUN_AVAILABLE, "version": 1, "id": str(uuid4()), "job_run_id": str(run_id), "pool": pool}


def parse_run_available(body: Mapping[str, Any]) -> UUID:
    """The run's id in a `run.available` message; MessageError where it is another or a broken one."""
    if body.get("type") != RUN_AVAILABLE or body.get("version") != 1:
        raise MessageError(f"type, version: {body.get('type')!r}, {body.get('version')!r} is not known")
    try:
        return UUID(str(body["job_run_id"]))
    except (KeyError, ValueError):
        raise MessageError("job_run_id: not a UUID") from None
