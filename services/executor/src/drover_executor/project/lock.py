"""One run of this executor at a time works in a shared folder; the others wait, and may give up meanwhile."""

import fcntl
import time
from collections.abc import Callable

_PAUSE_SECONDS = 0.2


def lock(descriptor: int, check: Callable[[], None]) -> None:
    """Lock an open file or folder until it is closed. `check` is called while this waits, and may raise."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            check()
            time.sleep(_PAUSE_SECONDS)  # flock knows no time-out, and the run may end meanwhile
        else:
            return
