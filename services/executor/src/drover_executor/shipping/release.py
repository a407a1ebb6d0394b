"""Gives the disk back what of a spool is stored elsewhere, while the playbook still writes to it."""

import ctypes
import os
import sys
from pathlib import Path

from drover_shared.logging import get_logger

STEP_BYTES = 16 * 1024 * 1024  # so much at a time; a spool that is smaller is kept whole
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # linux/falloc.h
_log = get_logger("drover.executor.shipping")


class Release:
    """How far a file's beginning has been given back: up to byte `end`, which is before entry `entries`.

    The file keeps its length, so that what is behind stays where it is. The note beside it is written first:
    a next start of this executor never takes a hole for output.
    """

    def __init__(self, path: Path, step_bytes: int = STEP_BYTES) -> None:
        self._path, self._step = path, step_bytes
        self._note = path.with_name(f"{path.name}.released")
        self.entries, self.end = self._read()

    def is_due(self, end: int) -> bool:
        return end - self.end >= self._step

    def to(self, entries: int, end: int) -> None:
        """Give back what is before byte `end`. Where the file system cannot, the bytes stay until the end."""
        try:
            temporary = self._note.with_suffix(".new")
            temporary.write_text(f"{entries} {end}")
            temporary.replace(self._note)
            self.entries, self.end = entries, end
            _punch(self._path, end)
        except OSError as error:
            _log.warning("spool_not_released", file=self._path.name, error=type(error).__name__)

    def _read(self) -> tuple[int, int]:
        try:
            entries, end = self._note.read_text().split()
        except FileNotFoundError:
            return 0, 0
        return int(entries), int(end)


def _punch(path: Path, end: int) -> None:
    """Make the first `end` bytes of the file a hole (fallocate(2)). Raises OSError."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    offset = ctypes.c_int64
    libc.fallocate64.argtypes = (ctypes.c_int, ctypes.c_int, offset, offset)
    with path.open("r+b") as file:
        if libc.fallocate64(file.fileno(), _PUNCH_HOLE | _KEEP_SIZE, 0, end):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
