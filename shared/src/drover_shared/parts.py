"""What an archived log is made of: one gzip file (RFC 1952) of parts that can be read each by itself.

A part is raw deflate (RFC 1951) that refers to nothing before it and ends on a byte, so that the parts one
after the other, between a head and a tail, are one plain gzip member: several members would be as easy to
cut, but browsers and other HTTP clients read the first one only. ISA-L writes and reads them several times as
fast as zlib; meanwhile other threads run.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from isal import igzip, isal_zlib

from drover_shared.domain.errors import InfrastructureError

HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time, of no system
TAIL_BYTES = 10
_LEVEL = 1
_RAW = -15
_END = b"\x03\x00"  # an empty last block
_FAULTS: tuple[type[Exception], ...] = (EOFError, OSError, isal_zlib.error)  # type: ignore[assignment]  # an instance in its types


class DamagedPartError(InfrastructureError):
    """What the object store gives back is not what it was given."""


@dataclass(frozen=True, slots=True)
class Part:
    """A packed part of a log, and the CRC-32 of what it holds."""

    body: bytes
    crc: int


class Packer:
    """Packs a log's pieces in order; `tail` ends the file."""

    def __init__(self) -> None:
        self._crc = 0
        self._size = 0

    def pack(self, piece: bytes) -> Part:
        self._crc = isal_zlib.crc32(piece, self._crc)
        self._size += len(piece)
        deflate = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW)
        body = deflate.compress(piece) + deflate.flush(isal_zlib.Z_FULL_FLUSH)
        return Part(body, isal_zlib.crc32(piece))

    def tail(self) -> bytes:
        return _END + struct.pack("<II", self._crc, self._size & 0xFFFFFFFF)


def unpack(bodies: bytes, crcs: Iterable[int], part_bytes: int) -> bytes:
    """What whole parts hold, each `part_bytes` but the last, checked by `crcs`. Raises DamagedPartError."""
    try:
        whole: bytes = isal_zlib.decompressobj(_RAW).decompress(bodies)
    except _FAULTS as error:
        raise DamagedPartError("object store: a part of an archive is damaged") from error
    expected = list(crcs)
    if expected != [isal_zlib.crc32(piece) for piece in _cut(whole, part_bytes)]:
        raise DamagedPartError("object store: a part of an archive is damaged")
    return whole


def unpack_members(members: bytes) -> bytes:
    """What whole gzip members hold, which archives were made of before. Raises DamagedPartError."""
    try:
        whole: bytes = igzip.decompress(members)  # type: ignore[no-untyped-call]  # it has no types
    except _FAULTS as error:
        raise DamagedPartError("object store: a member of an archive is damaged") from error
    return whole


def _cut(whole: bytes, size: int) -> Iterator[memoryview]:
    view = memoryview(whole)
    return (view[low : low + size] for low in range(0, len(view), size))
