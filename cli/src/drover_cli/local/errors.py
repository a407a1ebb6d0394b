"""What can go wrong with the embedded stack, in words for the person at the terminal."""

from pathlib import Path


class LocalError(Exception):
    """A step failed. `str()` is one line: what failed; `hint` says what to do, `log` where to read more."""

    def __init__(self, message: str, *, hint: str = "", log: Path | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.log = log
