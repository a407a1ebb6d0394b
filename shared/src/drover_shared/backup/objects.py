"""The bucket's objects as files below a folder, and back."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from drover_shared.object_reads import ObjectMissingError
from drover_shared.objects import ListedObject, ObjectStore

AT_ONCE = 8
_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Copied:
    """How many objects, and how many bytes of them, were copied."""

    objects: int
    size: int


def copy_out(store: ObjectStore, folder: Path) -> Copied:
    """Copy what `folder` does not have yet; objects never change, so one of the same size is the same.

    Raises InfrastructureError, and OSError where the folder is full; run again it goes on where it stopped.
    """

    def one(found: ListedObject) -> int:
        path = _inside(folder, found.key)
        if path.exists() and path.stat().st_size == found.size:
            return -1
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        try:
            with part.open("wb") as file:
                file.writelines(store.stream(found.key))
        except ObjectMissingError:
            part.unlink()
            return -1  # removed since it was listed: its log has an archive, or was old
        part.replace(path)
        return found.size

    with ThreadPoolExecutor(AT_ONCE) as threads:
        sizes = [size for size in threads.map(one, store.list_all()) if size >= 0]
    return Copied(len(sizes), sum(sizes))


def copy_in(store: ObjectStore, folder: Path) -> Copied:
    """Put every file back as the object it was. Raises InfrastructureError; may be run again."""

    def one(path: Path) -> int:
        store.put_stream(path.relative_to(folder).as_posix(), _pieces(path))
        return path.stat().st_size

    with ThreadPoolExecutor(AT_ONCE) as threads:
        sizes = list(threads.map(one, files(folder)))
    return Copied(len(sizes), sum(sizes))


def files(folder: Path) -> list[Path]:
    """The copied objects, sorted; halves of one that was being copied are none."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".part")


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(path):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def _inside(folder: Path, key: str) -> Path:
    """Raises ValueError for a key that would leave the folder."""
    path = (folder / key).resolve()
    if not path.is_relative_to(folder.resolve()) or path.name.endswith(".part"):
        raise ValueError(f"an object's key cannot be a file's name: {key!r}")
    return path
