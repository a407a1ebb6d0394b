"""Lines cut out of pieces, and where to begin in an archive, against the plain way."""

import bisect
from itertools import accumulate

from drover_api.output.lines import Lines, cut_lines, part_of
from hypothesis import given
from hypothesis import strategies as st

LOGS = st.binary(max_size=60).map(lambda log: bytes(b"ab\n"[byte % 3] for byte in log))
SIZES = st.integers(1, 9)
PLACES = st.integers(0, 25)


def pieces_of(log: bytes, size: int) -> list[bytes]:
    return [log[low : low + size] for low in range(0, len(log), size)]


@given(LOGS, SIZES, PLACES, st.none() | PLACES)
def test_lines_of_pieces_are_the_lines_of_the_whole(
    log: bytes, size: int, start: int, end: int | None
) -> None:
    lines = log.splitlines(keepends=True)
    found = b"".join(cut_lines(pieces_of(log, size), Lines(start, end)))
    assert found == b"".join(lines[start:end])


@given(LOGS.filter(bool), SIZES, PLACES)
def test_a_line_begins_in_the_part_found(log: bytes, size: int, line: int) -> None:
    pieces = pieces_of(log, size)
    counts = list(accumulate(piece.count(b"\n") for piece in pieces))
    part, before = part_of(line, counts)
    rest = b"".join(cut_lines(pieces[part:], Lines(line - before, None)))
    assert rest == b"".join(log.splitlines(keepends=True)[line:])
    if line and counts[-1] >= line:
        assert part == bisect.bisect_left(counts, line)  # nothing before it is read
