"""What a log is fetched in: chunk objects, or groups of an archive's parts; each is checked when read."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from drover_shared.db.models import LogArchive, LogChunkRow
from drover_shared.domain.errors import InfrastructureError
from drover_shared.logging import get_logger
from drover_shared.objects import ObjectStore
from drover_shared.parts import HEAD, unpack, unpack_members

GROUP_PARTS = 4  # of 1 MiB each, fetched by one request
_log = get_logger("drover.api")


class DamagedChunkError(InfrastructureError):
    """What the object store gives back is not what it was given."""


@dataclass(frozen=True, slots=True)
class ChunkPiece:
    """Bytes `first` up to, not including, `last` of a chunk, which is always read whole."""

    key: str
    sha256: str
    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first

    def fetch(self, store: ObjectStore) -> bytes:
        """Raises DamagedChunkError where the chunk is not what its executor sent."""
        body = store.get(self.key)
        if sha256(body).hexdigest() != self.sha256:
            _log.error("log_chunk_damaged", key=self.key)
            raise DamagedChunkError("object store: a chunk is damaged")
        return body if len(body) == self.last and not self.first else body[self.first : self.last]


@dataclass(frozen=True, slots=True)
class PartGroup:
    """Bytes `start` to `end` of an archive are whole parts; of what they hold, `first` to `last`.

    `crcs` are those of the parts' contents of `part_bytes` each; none where the parts are gzip members.
    """

    key: str
    start: int
    end: int
    crcs: tuple[int, ...]
    part_bytes: int
    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first

    def fetch(self, store: ObjectStore) -> bytes:
        """Raises DamagedPartError where a part is not what was put."""
        packed = store.get(self.key, self.start, self.end)
        body = unpack(packed, self.crcs, self.part_bytes) if self.crcs else unpack_members(packed)
        return body if len(body) == self.last and not self.first else body[self.first : self.last]


def chunk_piece(row: LogChunkRow, start: int, end: int) -> ChunkPiece:
    """What of a chunk lies in bytes `start` up to `end` of the log."""
    first = max(start - row.byte_offset, 0)
    return ChunkPiece(row.storage_key, row.sha256, first, min(end - row.byte_offset, row.byte_length))


def part_groups(archive: LogArchive, start: int, end: int) -> Iterator[PartGroup]:
    """What of an archive holds bytes `start` up to `end` of the log."""
    size, ends, crcs = archive.member_bytes, archive.member_ends, archive.part_crcs
    begin = len(HEAD) if crcs else 0
    low, high = start // size, min(-(-end // size), len(ends))
    while low < high:
        after = min(low + GROUP_PARTS, high)
        offset = low * size
        yield PartGroup(
            key=archive.storage_key,
            start=ends[low - 1] if low else begin,
            end=ends[after - 1],
            crcs=tuple(crcs[low:after]),
            part_bytes=size,
            first=max(start - offset, 0),
            last=min(end, after * size) - offset,
        )
        low = after
