"""Any order, doubling, loss with redelivery, any number of workers: the same rows, counts and watermark."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from drover_event_ingest.batches import prepare
from drover_event_ingest.store import EventStore
from drover_shared.streams.ranges import Ranges
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from support.output import batch_fields, entry, event
from support.runs import RunRow, make_run

REFUSED = "bang!"
KINDS = ("TASK_OK", "TASK_FAILED", "TASK_SKIPPED", "HOST_UNREACHABLE", "TASK_STARTED")


def make_event(seq: int, spec: tuple[str, str, bool]) -> dict[str, Any]:
    kind, host, changed = spec
    if kind == "STATS":
        return event(seq, "STATS", None, ok={host: seq}, changed={host: int(changed)})
    if kind == "bad":
        return event(seq) | {"data": "not an object"}
    if kind == "refused":
        return event(seq, host=host) | {"task_name": REFUSED}
    if kind == "odd":
        return event(seq, "TASK_OK", host, msg="\x00", changed=changed)
    return event(seq, kind, host, changed=changed)


specs = st.lists(
    st.tuples(
        st.sampled_from([*KINDS, *KINDS, "STATS", "bad", "refused", "odd"]),
        st.sampled_from("abc"),
        st.booleans(),
    ),
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


def tangle(events: Sequence[Any], data: st.DataObject) -> list[list[Any]]:
    """Batches that hold each event at least once, any of them more often, in any order."""
    seqs = data.draw(st.lists(st.lists(st.sampled_from(range(len(events))), max_size=6), max_size=6))
    missing = set(range(len(events))) - {seq for batch in seqs for seq in batch}
    batches = data.draw(st.permutations([*seqs, *([seq] for seq in missing)]))
    return [[events[seq] for seq in batch] for batch in batches]


def refuse(engine: Engine) -> None:
    """Make PostgreSQL refuse events of that name."""
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE job_events DROP CONSTRAINT IF EXISTS no_bang"))
        connection.execute(
            text(f"ALTER TABLE job_events ADD CONSTRAINT no_bang CHECK (task_name <> '{REFUSED}')")
        )


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(specs, st.data())
def test_the_end_is_the_same(engine: Engine, specs: list[tuple[str, str, bool]], data: st.DataObject) -> None:
    refuse(engine)
    events = [make_event(seq, spec) for seq, spec in enumerate(specs, 1)]
    straight, tangled = make_run(engine), make_run(engine)
    EventStore(engine).store(prepare([entry(batch_fields(straight, events))]))

    entries = [entry(batch_fields(tangled, batch)) for batch in tangle(events, data)]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(entries)), min_size=3, max_size=3)))
    parts = [entries[low:high] for low, high in zip([0, *cuts], [*cuts, len(entries)], strict=True)]
    with ThreadPoolExecutor(
        len(parts)
    ) as workers:  # each with a part, and the first two with one of another's
        again = [entries[: cuts[1] // 2], entries[cuts[1] :]]
        list(workers.map(lambda part: EventStore(engine).store(prepare(part)), [*parts, *again]))
    assert facts(engine, tangled) == facts(engine, straight)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(specs, st.data())
def test_what_is_lost_is_what_is_missing(
    engine: Engine, specs: list[tuple[str, str, bool]], data: st.DataObject
) -> None:
    """What was dealt with is known to the seq, so that a heartbeat can name exactly the rest."""
    refuse(engine)
    events = [make_event(seq, spec) for seq, spec in enumerate(specs, 1)]
    lost = data.draw(st.sets(st.sampled_from(range(1, len(events) + 1))))
    run = make_run(engine)
    kept = [found for found in events if found["seq"] not in lost]
    EventStore(engine).store(
        prepare([entry(batch_fields(run, kept[::2])), entry(batch_fields(run, kept[1::2]))])
    )
    with engine.connect() as connection:
        received = connection.scalar(
            text("SELECT received::text FROM run_event_progress WHERE job_run_id = :run"), {"run": run.id}
        )
    known = Ranges.parse(received or "{}")
    assert {seq for seq in range(1, len(events) + 1) if seq not in known} == lost
