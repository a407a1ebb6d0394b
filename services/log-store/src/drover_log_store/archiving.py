"""A finished log from its chunks into one gzip object: a fraction of the size, and still seekable."""

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from uuid import UUID

from drover_shared.clock import Clock, SystemClock
from drover_shared.domain.keys import archive_key, chunk_key
from drover_shared.logging import get_logger
from drover_shared.object_reads import ObjectMissingError
from drover_shared.objects import ObjectStore
from drover_shared.parts import HEAD, DamagedPartError, Packer, unpack
from drover_shared.streams.failures import describe, is_poison
from drover_shared.streams.progress import Progress
from sqlalchemy import Connection, Engine

from drover_log_store import metrics
from drover_log_store.archive_rows import (
    FinishedLog,
    Parts,
    abandon,
    chunks_of,
    claim,
    finish,
    give_up,
    mark_removed,
    next_log,
    next_removable,
    renew,
    settle,
)
from drover_log_store.leases import Lease, LeaseLostError

PART_BYTES = 1024 * 1024
GRACE_SECONDS = 3600.0  # for readers that found the chunks before there was an archive
HOLD_SECONDS = 6 * 3600.0  # until a log that cannot be archived for a reason of its own is tried again
_PAUSE_SECONDS = 10.0
_log = get_logger("drover.log_store")


class DamagedLogError(Exception):
    """The stored log is not what its executor hashed; its chunks are kept as they are, and read from."""


class Archiver:
    """Archives one log at a time; any number of processes may do so at once. Memory stays flat."""

    def __init__(
        self,
        engine: Engine,
        objects: ObjectStore,
        part_bytes: int = PART_BYTES,
        *,
        grace_seconds: float = GRACE_SECONDS,
        lease_seconds: float = 60.0,
        clock: Clock | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._engine = engine
        self._objects = objects
        self._part_bytes = part_bytes
        self._grace = grace_seconds
        self._lease_seconds = lease_seconds
        self._clock = clock or SystemClock()
        self._progress = progress or Progress(self._clock)

    def archive_next(self) -> bool:
        """Archive a complete log; False where none is waiting. Raises what says that a dependency is away.

        A log of one chunk is one object already. The chunks stay until `remove_next`.
        """
        with self._engine.begin() as connection:
            log = next_log(connection)
            if log is None:
                return False
            if log.chunks < 2:  # noqa: PLR2004 - one object is what an archive would be
                settle(connection, log.run_id)
                return True
            key = archive_key(log.run_id, secrets.token_hex(8))
            if not claim(connection, log.run_id, key, self._lease_seconds):
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
        seconds, progress = self._lease_seconds, self._progress
        lease = Lease(self._engine, self._clock, log.run_id, key, seconds, progress=progress)
        try:
            if log.old_key is not None:
                self._objects.discard(log.old_key)
            parts, digest = self._write(log, key, lease)
            self._check(key, parts, digest, lease)
            with self._engine.begin() as connection:
                found = digest if log.sha256 is None else None
                mine = finish(connection, log.run_id, key, parts, found)
        except (DamagedLogError, ObjectMissingError):
            metrics.ARCHIVES.labels("damaged").inc()
            _log.error("log_damaged", job_run_id=str(log.run_id))
            self._drop(log.run_id, key, abandon)
            return
        except LeaseLostError:
            mine = False
        except Exception as error:
            own_fault = is_poison(error) or isinstance(error, DamagedPartError)
            self._drop(log.run_id, key, _hold if own_fault else give_up)
            raise
        else:
            if mine:
                metrics.ARCHIVES.labels("made").inc()
                return
        self._objects.delete_many([key])  # the job was deleted, or somebody took over

    def _write(self, log: FinishedLog, key: str, lease: Lease) -> tuple[Parts, str]:
        """Put the archive: its parts and the log's SHA-256. Raises DamagedLogError, and puts nothing."""
        digest, parts = sha256(), Parts(self._part_bytes)

        def written() -> Iterator[bytes]:
            packer, end, lines = Packer(), len(HEAD), 0
            yield HEAD
            chunks = (self._objects.get(name) for _, name in lease.kept(chunks_of(self._engine, log.run_id)))
            for piece in _cut(chunks, self._part_bytes):
                digest.update(piece)
                part = packer.pack(piece)
                end, lines = end + len(part.body), lines + piece.count(b"\n")
                parts.ends.append(end)
                parts.lines.append(lines)
                parts.crcs.append(part.crc)
                yield part.body
            if log.sha256 not in (None, digest.hexdigest()):
                raise DamagedLogError
            yield packer.tail()

        self._objects.put_stream(key, written())
        return parts, digest.hexdigest()

    def _check(self, key: str, parts: Parts, expected: str, lease: Lease) -> None:
        """Read the archive back, for the chunks will be removed on its word. Raises DamagedPartError."""
        digest, starts = sha256(), [len(HEAD), *parts.ends]
        for start, end, crc in lease.kept(zip(starts, parts.ends, parts.crcs, strict=False)):
            digest.update(unpack(self._objects.get(key, start, end), [crc], self._part_bytes))
        if digest.hexdigest() != expected:
            raise DamagedPartError("object store: an archive is not what was put")

    def _drop(self, run: UUID, key: str, end: Callable[[Connection, UUID, str], object]) -> None:
        """Remove what was made, as far as the dependencies allow: what is left goes after the lease.

        `end` says what becomes of the claim.
        """
        try:
            self._objects.delete_many([key])
            with self._engine.begin() as connection:
                end(connection, run, key)
        except Exception as error:  # noqa: BLE001 - the first error is the one to tell
            _log.warning("archive_not_dropped", job_run_id=str(run), **describe(error))


def _hold(connection: Connection, run: UUID, key: str) -> None:
    """Keep a log that cannot be archived for a reason of its own from holding up others."""
    renew(connection, run, key, HOLD_SECONDS)


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


def keep_doing(
    steps: Sequence[Callable[[], bool]], stop: threading.Event, progress: Progress
) -> threading.Thread:
    """Take `steps` in a thread of its own until `stop`; each says whether it did something.

    A failure is tried again, and keeps no other step from its turn.
    """

    def take(step: Callable[[], bool]) -> bool:
        progress.touch()
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
