"""Reads what the child writes, cuts it into batches and chunks, and finds any of them again."""

import hashlib
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drover_shared.messages.streams import MAX_BATCH_BYTES

from drover_executor.shipping.release import Release

BATCH_EVENTS = 500
CHUNK_BYTES = 64 * 1024
CHUNK_SECONDS = 0.5  # the first byte of a chunk waits no longer than this
_READ_BYTES = 4 * 1024 * 1024
_CUT_BYTES = 8


class EventSpool:
    """The file of events, one JSON object a line; `count` is the seq of the last one seen.

    Events up to `released` are no longer there.
    """

    def __init__(self, path: Path, release: Release) -> None:
        self._path, self._release = path, release
        self._ends = array("q", [self._release.end])  # where event number `released` + i ends

    @property
    def count(self) -> int:
        return self.released + len(self._ends) - 1

    @property
    def released(self) -> int:
        return self._release.entries

    def release(self, committed: int) -> None:
        """Events up to `committed` are stored and not asked for again: the disk may have their bytes back."""
        committed = min(committed, self.count)
        if committed > self.released and self._release.is_due(self._end(committed)):
            ends = self._ends[committed - self.released :]
            self._release.to(committed, ends[0])
            self._ends = ends

    def _end(self, seq: int) -> int:
        return self._ends[seq - self.released]

    def look(self) -> None:
        """Take note of the complete lines written since."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._ends[-1])
                while data := file.read(_READ_BYTES):
                    if not self._note(data):
                        file.seek(self._ends[-1])
                        if len(data) < _READ_BYTES:
                            return
        except FileNotFoundError:
            return

    def _note(self, data: bytes) -> bool:
        """Whether `data` ended with a complete line; what follows the last one is read again."""
        base, at = self._ends[-1], 0
        while (end := data.find(b"\n", at)) >= 0:
            at = end + 1
            self._ends.append(base + at)
        return at == len(data)

    def batch(self, first: int, last: int) -> list[bytes]:
        """Events from `first`, at most to `last` (inclusive), as many as fit into one batch."""
        last = min(last, self.count, first + BATCH_EVENTS - 1)
        start = self._end(first - 1)
        while last > first and self._end(last) - start > MAX_BATCH_BYTES:
            last = first + (last - first) // 2
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read(self._end(last) - start).splitlines()


class LogSpool:
    """The file of log bytes; chunks are cut by size and time, numbered from 0.

    Where each was cut is kept in a file beside it before anybody hears of the chunk: what was sent once is
    never cut in another way, whoever sends it again. Chunks before number `released` are no longer there.
    """

    def __init__(self, path: Path, release: Release, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path, self._release, self._monotonic = path, release, monotonic
        self._cuts = path.with_name("cuts")
        self._ends = array("q", [0])  # where chunk number i - 1 ends
        self._hash: Any = hashlib.sha256()
        self._waiting_since: float | None = None

    @property
    def count(self) -> int:
        return len(self._ends) - 1

    def restore(self) -> None:
        """Cut as another process has cut before. Raises OSError."""
        try:
            kept = self._cuts.read_bytes()
        except FileNotFoundError:
            return
        ends = array("q", kept[: len(kept) // _CUT_BYTES * _CUT_BYTES])
        if self.released:
            self._hash = None
            self._ends.extend(ends)
            return
        with self._path.open("rb") as file:
            for end in ends:
                self._note(file.read(end - self.size))

    @property
    def released(self) -> int:
        return self._release.entries

    def release(self, committed: int) -> None:
        """The same for chunks up to number `committed`."""
        kept = min(committed + 1, self.count)
        if kept > self.released and self._release.is_due(self._ends[kept]):
            self._release.to(kept, self._ends[kept])

    @property
    def size(self) -> int:
        """Bytes in all chunks so far."""
        return self._ends[-1]

    @property
    def sha256(self) -> str | None:
        """Of all chunks; None where they were cut in two processes and the first ones are gone."""
        return None if self._hash is None else self._hash.hexdigest()

    def look(self, *, at_end: bool = False) -> None:
        """Cut the chunks that are full or due; at the end the last one too."""
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return
        with self._path.open("rb") as file:
            file.seek(self.size)
            while size - self.size >= CHUNK_BYTES:
                self._cut(file.read(CHUNK_BYTES))
            rest = size - self.size
            if rest and (at_end or self._due()):
                self._cut(file.read(rest))
            elif not rest:
                self._waiting_since = None

    def due_in(self) -> float | None:
        """Seconds until a waiting piece becomes a chunk; None where none waits."""
        if self._waiting_since is None:
            return None
        return max(0.0, self._waiting_since + CHUNK_SECONDS - self._monotonic())

    def chunk(self, seq: int) -> tuple[int, bytes]:
        """Its offset and bytes."""
        offset = self._ends[seq]
        with self._path.open("rb") as file:
            file.seek(offset)
            return offset, file.read(self._ends[seq + 1] - offset)

    def _due(self) -> bool:
        now = self._monotonic()
        if self._waiting_since is None:
            self._waiting_since = now
        return now - self._waiting_since >= CHUNK_SECONDS

    def _cut(self, data: bytes) -> None:
        with self._cuts.open("ab", buffering=0) as file:
            file.write(array("q", [self.size + len(data)]).tobytes())
        self._note(data)

    def _note(self, data: bytes) -> None:
        if self._hash is not None:
            self._hash.update(data)
        self._ends.append(self.size + len(data))
        self._waiting_since = None
