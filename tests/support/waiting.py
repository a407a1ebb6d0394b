"""Waiting for what another process does: a condition and a deadline, never a bare sleep."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

_PAUSE_SECONDS = 0.05

T = TypeVar("T")


def eventually(what: str, look: Callable[[], T | None], seconds: float = 30.0) -> T:
    """The first value of `look` that is neither None nor False; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        pause.wait(_PAUSE_SECONDS)
