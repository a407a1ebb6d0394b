"""What was sent and is not confirmed yet, so that what vanished on the way is sent again, and only that."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

Ranges = Sequence[tuple[int, int]]


@dataclass(slots=True)
class Sent:
    """A batch or chunk on its way: seqs `first` to `last`; `entry` is its id in the stream, where known."""

    first: int
    last: int
    entry: bytes | None
    at: float
    tries: int = 1


@dataclass
class Ledger:
    """`patience`: seconds before something unconfirmed is suspected; it doubles with every try."""

    patience: float = 2.0
    longest: float = 30.0
    _sent: deque[Sent] = field(default_factory=deque)

    def add(self, sent: Sent) -> None:
        self._sent.append(sent)

    def confirm(self, committed: int) -> int:
        """Everything up to `committed` is stored; up to what seq nothing will be sent again."""
        while self._sent and self._sent[0].last <= committed:
            self._sent.popleft()
        return min(committed, self._sent[0].first - 1) if self._sent else committed

    def suspects(self, missing: Ranges, now: float) -> list[Sent]:
        """What is missing although it was sent long enough ago."""
        return [
            sent
            for sent in self._sent
            if now - sent.at >= min(self.longest, self.patience * 2 ** (sent.tries - 1))
            and _overlaps(missing, sent)
        ]

    def again(self, sent: Sent, entry: bytes | None, now: float) -> None:
        sent.entry, sent.at, sent.tries = entry, now, sent.tries + 1


def _overlaps(ranges: Ranges, sent: Sent) -> bool:
    return any(first <= sent.last and sent.first <= last for first, last in ranges)
