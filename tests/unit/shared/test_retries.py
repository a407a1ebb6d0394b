"""When another attempt follows, and after which wait."""

import pytest
from drover_shared.domain.retries import MAX_WAIT_SECONDS, RetryHosts, RetryOn, RetryPolicy, kind_of_end
from drover_shared.domain.states import RunState

FAILED, LOST = RunState.FAILED, RunState.LOST


@pytest.mark.parametrize(
    ("state", "reason", "kind"),
    [
        (LOST, "executor_lost", RetryOn.LOST),
        (FAILED, "executor_lost", RetryOn.LOST),
        (FAILED, None, RetryOn.FAILED),
        (FAILED, "playbook_failed", RetryOn.FAILED),
        (FAILED, "timeout", RetryOn.TIMEOUT),
        (FAILED, "project_unreachable", RetryOn.ERROR),
        (FAILED, "start_timeout", RetryOn.ERROR),
        (FAILED, "something an executor of tomorrow says", RetryOn.ERROR),
        (FAILED, "playbook_syntax_error", None),
        (FAILED, "playbook_not_found", None),
        (FAILED, "waiting_timeout", None),
        (RunState.CANCELED, "canceled", None),
        (RunState.SUCCESSFUL, None, None),
    ],
)
def test_kinds_of_ends(state: RunState, reason: str | None, kind: RetryOn | None) -> None:
    assert kind_of_end(state, reason) is kind


def waits(end: RetryOn, *retry_on: str, seconds: int = 10, attempts: int = 5) -> list[int | None]:
    policy = RetryPolicy(attempts, retry_on, RetryHosts.ALL, seconds)
    return [policy.wait_before_next(attempt, end) for attempt in range(1, 6)]


def test_waits_double_and_a_loss_costs_none_at_first() -> None:
    assert waits(RetryOn.LOST, "lost") == [0, 10, 20, 40, None]
    assert waits(RetryOn.FAILED, "failed") == [10, 20, 40, 80, None]
    assert waits(RetryOn.ERROR, "lost", "error", attempts=2) == [10, None, None, None, None]
    assert waits(RetryOn.TIMEOUT, "timeout", seconds=0) == [0, 0, 0, 0, None]
    assert waits(RetryOn.FAILED, "failed", seconds=50_000)[1:3] == [MAX_WAIT_SECONDS, MAX_WAIT_SECONDS]


def test_only_what_is_asked_for_is_tried_again() -> None:
    assert waits(RetryOn.FAILED, "lost", "error", "timeout") == [None] * 5
    assert waits(RetryOn.LOST) == [None] * 5


def test_hosts_matter_only_where_the_playbook_failed() -> None:
    some = RetryPolicy(3, ["failed", "lost"], RetryHosts.FAILED_AND_UNSTARTED, 0)
    assert some.narrows(RetryOn.FAILED)
    assert not some.narrows(RetryOn.LOST)
    assert not RetryPolicy(3, ["failed"], RetryHosts.ALL, 0).narrows(RetryOn.FAILED)
