"""Paths that a project names may not lead out of it."""

from pathlib import Path


def inside(root: Path, relative: str) -> Path | None:
    """The real path of `relative` under `root`, symlinks resolved; None where it is outside or absolute."""
    if not relative or "\0" in relative or Path(relative).is_absolute():
        return None
    try:
        real = (root / relative).resolve()
    except (OSError, RuntimeError):
        return None
    return real if real.is_relative_to(root.resolve()) else None


def under_any(roots: tuple[Path, ...], path: str) -> Path | None:
    """The real path of an absolute `path` where one of `roots` holds it, else None."""
    if not path or "\0" in path or not Path(path).is_absolute():
        return None
    real = Path(path).resolve()
    return real if any(real.is_relative_to(root) for root in roots) else None
