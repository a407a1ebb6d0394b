"""A log that is read while it is written."""

from collections.abc import Iterator
from uuid import UUID

from drover_api.output.live import LOOK_SECONDS, Bell, Source, run_status
from drover_api.output.log import LogReader, extent


def followed(source: Source, reader: LogReader, run_id: UUID, start: int) -> Iterator[bytes]:
    """The log's bytes from `start` on, as they are stored, until the log is complete or no more can come.

    It breaks off where the process stops: the job's `log_complete` and the bytes read so far tell.
    """
    bell = Bell(source.redis, run_id)
    try:
        while not source.stopping.is_set():
            with source.sessions() as session:
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
