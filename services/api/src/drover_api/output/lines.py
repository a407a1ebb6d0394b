"""Some lines of a log."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines `start` (from 0) up to, not including, `end` (None: to the last one)."""

    start: int
    end: int | None


def part_of(line: int, part_lines: Sequence[int]) -> tuple[int, int]:
    """The part of an archive in which `line` begins, and how many line feeds are before that part.

    A line begins behind the line feed of the one before, so it is sought by that one.
    """
    part = min(bisect_right(part_lines, line - 1), max(len(part_lines) - 1, 0)) if line else 0
    return part, part_lines[part - 1] if part else 0


def cut_lines(pieces: Iterable[bytes], wanted: Lines) -> Iterator[bytes]:
    """`wanted` of the lines that `pieces` hold, with their line feeds; the rest is not read on."""
    skip, left = wanted.start, None if wanted.end is None else max(wanted.end - wanted.start, 0)
    for piece in pieces:
        first = 0
        if skip:
            first, skip = _after(piece, 0, skip)
            if skip:
                continue
        if left is None:
            yield piece[first:]
            continue
        last, left = _after(piece, first, left)
        yield piece[first:last]
        if not left:
            return


def _after(piece: bytes, place: int, feeds: int) -> tuple[int, int]:
    """The place behind so many line feeds, and how many of them are still to come after this piece."""
    if not feeds:
        return place, 0
    found = piece.count(b"\n", place)
    if found < feeds:
        return len(piece), feeds - found
    for _ in range(feeds):
        place = piece.index(b"\n", place) + 1
    return place, 0
