"""Where things lie in the object store."""

from uuid import UUID


def chunk_key(run_id: UUID, seq: int) -> str:
    """Where a log chunk lies (specification 2.9); the number has at least four digits."""
    return f"jobs/{run_id}/chunk-{seq:04d}.log"


def archive_key(run_id: UUID, token: str) -> str:
    """Where a whole finished log lies; `token` tells attempts to make it from each other."""
    return f"jobs/{run_id}/log-{token}.gz"
