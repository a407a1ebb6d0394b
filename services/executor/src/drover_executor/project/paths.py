"""Paths that a project names may not lead out of it."""

import contextlib
import os
from pathlib import Path

from drover_shared.domain.reasons import Reason

from drover_executor.failures import RunFailedError

_BLOCK_BYTES = 4096
_SMALL_BYTES = 1_000_000


def inside(root: Path, relative: str) -> Path | None:
    """The real path of `relative` under `root`, symlinks resolved; None where it is outside or absolute."""
    if not relative or "\0" in relative or Path(relative).is_absolute():
        return None
    try:
        real = (root / relative).resolve()
    except (OSError, RuntimeError):
        return None
    return real if real.is_relative_to(root.resolve()) else None


def is_larger(folder: Path, limit: int) -> bool:
    """Whether the files below `folder` hold more than `limit` bytes, each counted with a block at least."""
    total, todo = 0, [folder]
    while todo:
        with contextlib.suppress(FileNotFoundError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    todo.append(Path(entry.path))
                with contextlib.suppress(FileNotFoundError):
                    total += max(_BLOCK_BYTES, entry.stat(follow_symlinks=False).st_size)
                if total > limit:
                    return True
    return False


def small_file(project: Path, name: str) -> Path | None:
    """A file of the project that the executor itself reads; None where there is none.

    Raises RunFailedError for one that leads out of the project (to a device, say), or is no small file.
    """
    path = project / name
    if not path.is_symlink() and not path.exists():
        return None
    found = inside(project, name)
    if found is None or not found.is_file() or found.stat().st_size > _SMALL_BYTES:
        raise RunFailedError(Reason.PROJECT_INVALID, f"{name} is not a small file of the project.")
    return found


def under_any(roots: tuple[Path, ...], path: str) -> Path | None:
    """The real path of an absolute `path` where one of `roots` holds it, else None."""
    if not path or "\0" in path or not Path(path).is_absolute():
        return None
    real = Path(path).resolve()
    return real if any(real.is_relative_to(root) for root in roots) else None
