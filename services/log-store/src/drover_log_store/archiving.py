"""A finished log from its chunks into one object of gzip members: a tenth of the size, and still seekable."""

import gzip
import secrets
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from uuid import UUID

from drover_shared.domain.keys import archive_key, chunk_key
from drover_shared.logging import get_logger
from drover_shared.objects import ObjectMissingError, ObjectStore
from drover_shared.streams.failures import describe, is_poison
from sqlalchemy import Connection, Engine

from drover_log_store import metrics
from drover_log_store.archive_rows import (
    FinishedLog,
    abandon,
    chunks_of,
    claim,
    finish,
    give_up,
    mark_removed,
    next_log,
    next_removable,
    settle,
)

MEMBER_BYTES = 1024 * 1024
GRACE_SECONDS = 3600.0  # for readers that found the chunks before there was an archive
STALE_SECONDS = 6 * 3600.0  # after which whoever was making an archive is taken to be gone
_LEVEL = 6
_PAUSE_SECONDS = 10.0
_log = get_logger("drover.log_store")


class DamagedLogError(Exception):
    """The stored log is not what its executor hashed; its chunks are kept as they are, and read from."""


class DamagedArchiveError(Exception):
    """What the object store gives back is not what it was given."""


class Archiver:
    """Archives one log at a time; any number of processes may do so at once. Memory stays flat."""

    def __init__(
        self,
        engine: Engine,
        objects: ObjectStore,
        member_bytes: int = MEMBER_BYTES,
        *,
        grace_seconds: float = GRACE_SECONDS,
        stale_seconds: float = STALE_SECONDS,
    ) -> None:
        self._engine = engine
        self._objects = objects
        self._member_bytes = member_bytes
        self._grace = grace_seconds
        self._stale = stale_seconds

    def archive_next(self) -> bool:
        """Archive a complete log; False where none is waiting. Raises what says that a dependency is away.

        A log of one chunk is one object already. The chunks stay until `remove_next`.
        """
        with self._engine.begin() as connection:
            log = next_log(connection, self._stale)
            if log is None:
                return False
            if log.chunks < 2:  # noqa: PLR2004 - one object is what an archive would be
                settle(connection, log.run_id)
                return True
            key = archive_key(log.run_id, secrets.token_hex(8))
            if not claim(connection, log.run_id, key, self._stale):
                return True
        self._make(log, key)
        return True

    def remove_next(self) -> bool:
        """Remove the chunk objects of a log that has long been archived; False where there is none."""
        with self._engine.connect() as connection:
            run = next_removable(connection, self._grace)
        if run is None:
            return False
        self._objects.delete_many([chunk_key(run, seq) for seq, _ in chunks_of(self._engine, run)])
        with self._engine.begin() as connection:
            mark_removed(connection, run)
        return True

    def _make(self, log: FinishedLog, key: str) -> None:
        try:
            if log.old_key is not None:
                self._objects.delete_many([log.old_key])
            ends = self._write(log, key)
            self._check(key, ends, log.sha256)
            with self._engine.begin() as connection:
                mine = finish(connection, log.run_id, key, self._member_bytes, ends)
        except (DamagedLogError, ObjectMissingError):
            metrics.ARCHIVES.labels("damaged").inc()
            _log.error("log_damaged", job_run_id=str(log.run_id))
            self._drop(log.run_id, key, abandon)
        except Exception as error:
            self._drop(log.run_id, key, None if is_poison(error) else give_up)
            raise
        else:
            if mine:
                metrics.ARCHIVES.labels("made").inc()
            else:  # the job was deleted, or somebody took over
                self._objects.delete_many([key])

    def _write(self, log: FinishedLog, key: str) -> list[int]:
        """Put the archive; returns where its members end. Raises DamagedLogError, and puts nothing."""
        digest, ends = sha256(), [0]

        def members() -> Iterator[bytes]:
            chunks = (self._objects.get(name) for _, name in chunks_of(self._engine, log.run_id))
            for piece in _cut(chunks, self._member_bytes):
                digest.update(piece)
                member = gzip.compress(piece, _LEVEL, mtime=0)
                ends.append(ends[-1] + len(member))
                yield member
            if digest.hexdigest() != log.sha256:
                raise DamagedLogError

        self._objects.put_stream(key, members())
        return ends[1:]

    def _check(self, key: str, ends: list[int], expected: str) -> None:
        """Read the archive back, for the chunks will be removed on its word. Raises DamagedArchiveError."""
        digest = sha256()
        for start, end in zip([0, *ends], ends, strict=False):
            try:
                digest.update(gzip.decompress(self._objects.get(key, start, end)))
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise DamagedArchiveError from error
        if digest.hexdigest() != expected:
            raise DamagedArchiveError

    def _drop(self, run: UUID, key: str, end: Callable[[Connection, UUID, str], None] | None) -> None:
        """Remove what was made, as far as the dependencies allow: what is left goes when it is stale.

        `end` says what becomes of the claim; None leaves it until it is stale, so that a log that cannot be
        archived for a reason of its own does not hold up others.
        """
        try:
            self._objects.delete_many([key])
            if end is not None:
                with self._engine.begin() as connection:
                    end(connection, run, key)
        except Exception as error:  # noqa: BLE001 - the first error is the one to tell
            _log.warning("archive_not_dropped", job_run_id=str(run), **describe(error))


def _cut(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of `size`, the last one of fewer."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)


def keep_doing(steps: Sequence[Callable[[], bool]], stop: threading.Event) -> threading.Thread:
    """Take `steps` in a thread of its own until `stop`; each says whether it did something.

    A failure is tried again, and keeps no other step from its turn.
    """

    def take(step: Callable[[], bool]) -> bool:
        try:
            return step()
        except Exception as error:  # noqa: BLE001 - nothing is lost: what is stored stays until it succeeds
            _log.warning("housekeeping_failed", **describe(error))
            return False

    def loop() -> None:
        while not stop.is_set():
            if sum(take(step) for step in steps) == 0:
                stop.wait(_PAUSE_SECONDS)

    thread = threading.Thread(target=loop, name="housekeeping", daemon=True)
    thread.start()
    return thread
