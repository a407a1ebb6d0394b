"""An archive is one plain gzip file, whose parts are read each by itself, and never read wrong."""

import gzip
import zlib

import pytest
from drover_shared.parts import HEAD, TAIL_BYTES, DamagedPartError, Packer, Part, unpack, unpack_members
from hypothesis import given
from hypothesis import strategies as st

SIZE = 6000
BODY = b"ok: [web01]\n" * (SIZE // 12)


def packed(pieces: list[bytes]) -> tuple[list[Part], bytes]:
    """The parts, and the whole file."""
    packer = Packer()
    parts = [packer.pack(piece) for piece in pieces]
    return parts, HEAD + b"".join(part.body for part in parts) + packer.tail()


@given(st.lists(st.binary(min_size=5, max_size=5), max_size=6), st.binary(max_size=5))
def test_one_gzip_member_and_any_parts_of_it(pieces: list[bytes], last: bytes) -> None:
    pieces = [*pieces, last] if last else pieces
    parts, whole = packed(pieces)
    reader = zlib.decompressobj(31)
    assert reader.decompress(whole) == b"".join(pieces)
    assert reader.eof
    assert not reader.unused_data
    assert len(whole) == len(HEAD) + sum(len(part.body) for part in parts) + TAIL_BYTES
    for low in range(len(parts)):
        some = parts[low:]
        bodies, crcs = b"".join(part.body for part in some), [part.crc for part in some]
        assert unpack(bodies, crcs, 5) == b"".join(pieces[low:])


@pytest.mark.parametrize("place", range(40))
def test_a_part_that_was_changed_is_told(place: int) -> None:
    parts, _ = packed([BODY])
    body = bytearray(parts[0].body)
    body[place % len(body)] ^= 0x10
    with pytest.raises(DamagedPartError):
        unpack(bytes(body), [parts[0].crc], SIZE)


@pytest.mark.parametrize("kept", [0, 5, 30])
def test_a_part_that_was_cut_is_told(kept: int) -> None:
    parts, _ = packed([BODY])
    with pytest.raises(DamagedPartError):
        unpack(parts[0].body[:kept], [parts[0].crc], SIZE)


def test_members_of_before_are_still_read() -> None:
    member = gzip.compress(BODY)
    assert unpack_members(member + member) == BODY * 2
    with pytest.raises(DamagedPartError):
        unpack_members(member[:-4])
    with pytest.raises(DamagedPartError):
        unpack_members(member[:-8] + b"12345678")
