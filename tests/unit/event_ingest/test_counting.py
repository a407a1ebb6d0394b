"""Host summaries come out the same in whatever order and parts their events come."""

from typing import Any

from drover_event_ingest.counting import HostState, JobTotals, changes_of
from drover_event_ingest.events import PreparedEvent, prepare_event
from hypothesis import given
from hypothesis import strategies as st
from support.output import event

HOSTS = ("a", "b", "c")
RUN = "c0c3bdc8-08c8-49aa-aea3-51f2d036e9f1"

plain = st.tuples(
    st.sampled_from(
        ["TASK_OK", "TASK_FAILED", "TASK_SKIPPED", "HOST_UNREACHABLE", "TASK_STARTED", "WARNING"]
    ),
    st.sampled_from([*HOSTS, None]),
    st.fixed_dictionaries({"changed": st.booleans(), "ignored": st.booleans()}),
)
recap = st.tuples(
    st.just("STATS"),
    st.none(),
    st.dictionaries(
        st.sampled_from(["ok", "changed", "failed", "rescued"]),
        st.dictionaries(st.sampled_from(HOSTS), st.integers(0, 9)),
    ),
)
kinds = st.lists(st.one_of(plain, plain, plain, recap), max_size=25)


def prepared(specs: list[tuple[str, str | None, dict[str, Any]]]) -> list[PreparedEvent]:
    return [
        prepare_event(event(seq, kind, host) | {"data": data}, RUN, 1)
        for seq, (kind, host, data) in enumerate(specs, 1)
    ]


def applied(parts: list[list[PreparedEvent]]) -> tuple[dict[str, HostState], JobTotals]:
    """What storing the parts one after the other leaves, kept as the store keeps it."""
    hosts: dict[str, HostState] = {}
    totals = JobTotals()
    for part in parts:
        for host, change in changes_of(part).items():
            before, after = hosts.get(host), change.applied_to(hosts.get(host, HostState()))
            totals = totals.plus(JobTotals.of(after)).plus(JobTotals.of(before), -1)
            hosts[host] = after
    return hosts, totals


@given(kinds, st.data())
def test_order_and_parts_do_not_matter(
    specs: list[tuple[str, str | None, dict[str, Any]]], data: st.DataObject
) -> None:
    events = prepared(specs)
    shuffled = data.draw(st.permutations(events))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=5)))
    parts = [shuffled[low:high] for low, high in zip([0, *cuts], [*cuts, len(events)], strict=True)]
    assert applied(parts) == applied([events])


@given(kinds)
def test_totals_are_the_sum_of_the_hosts(specs: list[tuple[str, str | None, dict[str, Any]]]) -> None:
    hosts, totals = applied([[each] for each in prepared(specs)])
    expected = JobTotals()
    for state in hosts.values():
        expected = expected.plus(JobTotals.of(state))
    assert totals == expected
    assert totals.total == totals.ok + totals.failed + totals.unreachable + totals.skipped


def test_the_recap_replaces_what_was_counted() -> None:
    events = prepared(
        [
            ("TASK_FAILED", "a", {}),
            ("TASK_OK", "b", {"changed": True}),
            ("STATS", None, {"ok": {"a": 3}, "rescued": {"a": 1}}),
        ]
    )
    hosts, totals = applied([events])
    assert (hosts["a"].counts.ok, hosts["a"].counts.failed, hosts["a"].final) == (3, 0, True)
    assert not hosts["b"].final
    assert totals == JobTotals(total=2, ok=2, changed=1)
