"""Whatever order, doubling and loss with redelivery: the same rows, counts and watermark in the database."""

from typing import Any

from drover_event_ingest.batches import prepare
from drover_event_ingest.store import EventStore
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from support.output import batch_fields, entry, event
from support.runs import RunRow, make_run

KINDS = ("TASK_OK", "TASK_FAILED", "TASK_SKIPPED", "HOST_UNREACHABLE", "TASK_STARTED")


def make_event(seq: int, spec: tuple[str, str, bool]) -> dict[str, Any]:
    kind, host, changed = spec
    if kind == "STATS":
        return event(seq, "STATS", None, ok={host: seq}, changed={host: int(changed)})
    if kind == "bad":
        return event(seq) | {"data": "not an object"}
    return event(seq, kind, host, changed=changed)


specs = st.lists(
    st.tuples(st.sampled_from([*KINDS, *KINDS, "STATS", "bad"]), st.sampled_from("abc"), st.booleans()),
    min_size=1,
    max_size=12,
)


QUERIES = (
    """SELECT seq, event_type, host, changed, failed, timestamp FROM job_events
       WHERE job_run_id = :run ORDER BY seq""",
    """SELECT host, ok, changed, failed, skipped, unreachable, final, last_event_at FROM job_host_summaries
       WHERE job_run_id = :run ORDER BY host""",
    """SELECT received::text, events, last_event_at, hosts_total, hosts_ok, hosts_failed,
       hosts_unreachable, hosts_skipped, hosts_changed FROM run_event_progress WHERE job_run_id = :run""",
    "SELECT seq, reason FROM dead_letters WHERE job_run_id = :run ORDER BY seq",
)


def facts(engine: Engine, run: RunRow) -> list[Any]:
    with engine.connect() as connection:
        return [[tuple(row) for row in connection.execute(text(sql), {"run": run.id})] for sql in QUERIES]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(specs, st.data())
def test_the_end_is_the_same(engine: Engine, specs: list[tuple[str, str, bool]], data: st.DataObject) -> None:
    events = [make_event(seq, spec) for seq, spec in enumerate(specs, 1)]
    straight, tangled = make_run(engine), make_run(engine)
    store = EventStore(engine)
    store.store(prepare([entry(batch_fields(straight, events))]))

    seqs = data.draw(st.lists(st.lists(st.sampled_from(range(len(events))), max_size=6), max_size=6))
    missing = set(range(len(events))) - {seq for batch in seqs for seq in batch}
    batches = data.draw(st.permutations([*seqs, *([seq] for seq in missing)]))
    entries = [entry(batch_fields(tangled, [events[seq] for seq in batch]), 1) for batch in batches]
    cut = data.draw(st.integers(0, len(entries)))
    store.store(prepare(entries[:cut]))
    store.store(prepare(entries[cut:]))
    store.store(prepare(entries[: cut // 2]))
    assert facts(engine, tangled) == facts(engine, straight)
