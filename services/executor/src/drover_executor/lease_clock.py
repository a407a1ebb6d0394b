"""The clock leases are counted by, and the page on which a run's processes read when theirs ends."""

import mmap
import os
import struct
import time
from pathlib import Path

_FILE = "deadline"
_MOMENT = struct.Struct("d")  # aligned and of one machine word: read whole or not at all


def lease_clock() -> float:
    """Seconds from an unknown start, never backwards, sleep included where the system can tell.

    All processes of a machine see the same; it goes on while the machine sleeps, when the API's does too.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Deadline:
    """Until when a run's processes may live, by `lease_clock`: one number in a mapped file.

    The executor moves it, the run's guard reads it. Neither waits for the other or for a disk, and an
    executor that is started again finds it where the one before it left it.
    """

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        """Raises OSError and ValueError where there is none to open."""
        flags = os.O_RDWR | (os.O_CREAT | os.O_EXCL if create else 0)
        descriptor = os.open(folder / _FILE, flags, 0o600)
        try:
            if create:
                os.write(descriptor, bytes(_MOMENT.size))
            self._page = mmap.mmap(descriptor, _MOMENT.size)
        finally:
            os.close(descriptor)

    @property
    def at(self) -> float:
        moment: float = _MOMENT.unpack_from(self._page)[0]
        return moment

    def move(self, at: float) -> None:
        _MOMENT.pack_into(self._page, 0, at)

    @property
    def left(self) -> float:
        """Seconds until then; negative when it is over."""
        return self.at - lease_clock()

    def close(self) -> None:
        self._page.close()
