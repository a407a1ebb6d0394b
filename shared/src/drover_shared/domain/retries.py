"""A template's policy: whether another attempt follows one that did not end well, when, on which hosts."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from drover_shared.domain.reasons import Reason
from drover_shared.domain.states import RunState

MAX_WAIT_SECONDS = 86_400  # between two attempts, however often the wait has doubled
LAUNCH = "launch"  # the cause of a first attempt; of another it is the reason the one before it ended with


class RetryOn(StrEnum):
    """Kinds of ends after which a template may want another attempt."""

    LOST = "lost"  # nobody knows what became of it: its executor or its process is gone
    ERROR = "error"  # the platform could not run it, for a reason that may pass
    FAILED = "failed"  # the playbook failed on a host
    TIMEOUT = "timeout"  # the playbook ran out of its time


class RetryHosts(StrEnum):
    """Which hosts another attempt runs on, where the playbook failed; after any other end on all of them."""

    ALL = "all"
    FAILED = "failed"  # failed or unreachable
    FAILED_AND_UNSTARTED = "failed_and_unstarted"  # all but those that ended well


_NEVER = frozenset(  # the next attempt would meet the same
    {Reason.PLAYBOOK_SYNTAX_ERROR, Reason.PLAYBOOK_NOT_FOUND, Reason.WAITING_TIMEOUT, Reason.CANCELED}
)


def kind_of_end(state: RunState, reason: str | None) -> RetryOn | None:
    """The kind of an attempt's end; None where no further attempt may ever follow it."""
    if state is RunState.LOST or reason == Reason.EXECUTOR_LOST:
        return RetryOn.LOST
    if state is not RunState.FAILED or reason in _NEVER:
        return None
    match reason:
        case None | Reason.PLAYBOOK_FAILED:
            return RetryOn.FAILED
        case Reason.TIMEOUT:
            return RetryOn.TIMEOUT
        case _:
            return RetryOn.ERROR


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What a job's launch took over from its template."""

    max_attempts: int
    retry_on: Collection[str]
    retry_hosts: str
    retry_wait_seconds: int

    def wait_before_next(self, attempt: int, end: RetryOn | None) -> int | None:
        """Seconds until the attempt after number `attempt`, which ended so; None where none follows.

        The wait doubles with every further attempt. After a first attempt that was lost there is none: what
        went wrong was not the job's doing.
        """
        if end is None or end not in self.retry_on or attempt >= self.max_attempts:
            return None
        doublings = attempt - 1 - (end is RetryOn.LOST)
        if doublings < 0:
            return 0
        return int(min(MAX_WAIT_SECONDS, self.retry_wait_seconds * 2 ** min(doublings, 20)))

    def narrows(self, end: RetryOn) -> bool:
        """Whether the next attempt runs on fewer hosts: then it must first be known how each host ended."""
        return end is RetryOn.FAILED and self.retry_hosts != RetryHosts.ALL
