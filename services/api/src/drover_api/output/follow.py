"""A log that is read while it is written."""

from collections.abc import Callable, Iterator
from uuid import UUID

import redis
from sqlalchemy.orm import Session

from drover_api.output.live import LOOK_SECONDS, Bell, run_status
from drover_api.output.log import LogReader, extent

Sessions = Callable[[], Session]


def followed(
    sessions: Sessions, client: "redis.Redis", reader: LogReader, run_id: UUID, start: int
) -> Iterator[bytes]:
    """The log's bytes from `start` on, as they are stored, until the log is complete or no more can come."""
    bell = Bell(client, run_id)
    try:
        while True:
            with sessions() as session:
                status = run_status(session, run_id)  # first: what is over now has its whole extent below
                size = extent(session, run_id).size
            if size > start:
                yield from reader.read(run_id, start, size)
                start = size
            elif status is None or status.log_over:
                return
            else:
                bell.wait(LOOK_SECONDS)
    finally:
        bell.close()
