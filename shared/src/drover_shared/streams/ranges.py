"""Sets of whole numbers as ranges: PostgreSQL's int8multirange, seen from Python."""

import re
from bisect import bisect_right
from collections.abc import Iterable

_RANGE = re.compile(r"\[(-?\d+),(-?\d+)\)")


class Ranges:
    """An immutable set, kept as sorted, disjoint half-open ranges."""

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._pairs = list(pairs)
        self._lows = [low for low, _ in self._pairs]

    @classmethod
    def parse(cls, text: str) -> "Ranges":
        """From PostgreSQL's text, in its canonical form: `{[1,5),[7,8)}`."""
        return cls((int(low), int(high)) for low, high in _RANGE.findall(text))

    @classmethod
    def of(cls, numbers: Iterable[int]) -> "Ranges":
        """The smallest ranges that hold `numbers`, which may repeat and come in any order."""
        members = set(numbers)
        if not members:
            return cls()
        low, high = min(members), max(members) + 1
        if high - low == len(members):
            return cls([(low, high)])
        starts = sorted(number for number in members if number - 1 not in members)
        ends = sorted(number + 1 for number in members if number + 1 not in members)
        return cls(zip(starts, ends, strict=True))

    @property
    def start(self) -> int:
        """The smallest member; 0 for the empty set."""
        return self._lows[0] if self._lows else 0

    @property
    def end(self) -> int:
        """One more than the largest member; 0 for the empty set."""
        return self._pairs[-1][1] if self._pairs else 0

    def with_numbers(self, numbers: Iterable[int]) -> "Ranges":
        """The union with `numbers`."""
        more = {number for number in numbers if number not in self}
        if not more:
            return self
        return Ranges.of(more.union(*(range(low, high) for low, high in self._pairs)))

    def __contains__(self, number: int) -> bool:
        position = bisect_right(self._lows, number) - 1
        return position >= 0 and number < self._pairs[position][1]

    def __str__(self) -> str:
        return "{" + ",".join(f"[{low},{high})" for low, high in self._pairs) + "}"
