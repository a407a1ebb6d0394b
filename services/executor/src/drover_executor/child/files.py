"""Reads files that a playbook may have tampered with."""

import os
import stat
from pathlib import Path

_MAX_BYTES = 64 * 1024 * 1024  # far over the callback's own limit for a result


def take_file(folder: Path, name: str) -> bytes:
    """The content of `folder`/`name`, which is removed. Raises OSError where it is not a plain file there.

    A link or a pipe in its place would lead out of the run's folder, or block for ever.
    """
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
        with os.fdopen(descriptor, "rb") as file:
            kind = os.fstat(descriptor)
            if not stat.S_ISREG(kind.st_mode) or kind.st_size > _MAX_BYTES:
                raise OSError(f"{name} is no event")
            content = file.read(_MAX_BYTES)
        os.unlink(name, dir_fd=place)
        return content
    finally:
        os.close(place)
