"""Events into a real database: exactly once, cleaned, counted, and never stuck on a bad one."""

import json
from typing import Any

import pytest
from drover_event_ingest.batches import prepare
from drover_event_ingest.store import EventStore
from drover_shared.streams.failures import StopWorkerError
from sqlalchemy import Engine, text
from support.output import batch_fields, entry, event
from support.runs import RunRow, make_run

RUN_COLUMNS = "SELECT received::text, events, hosts_total, hosts_ok, hosts_failed, hosts_unreachable, hosts_skipped, hosts_changed FROM run_event_progress WHERE job_run_id = :run"  # noqa: E501


@pytest.fixture
def store(engine: Engine) -> EventStore:
    return EventStore(engine)


@pytest.fixture
def run(engine: Engine) -> RunRow:
    return make_run(engine)


def put(store: EventStore, run: RunRow, *events: Any, token: str | None = None) -> None:
    store.store(prepare([entry(batch_fields(run, events, token))]))


def rows(engine: Engine, sql: str, **values: Any) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql), values)]


def progress(engine: Engine, run: RunRow) -> Any:
    return rows(engine, RUN_COLUMNS, run=run.id)[0]


def letters(engine: Engine) -> list[Any]:
    return rows(engine, "SELECT seq, reason FROM dead_letters ORDER BY seq NULLS FIRST, id")


def test_an_event_is_stored_as_it_came(engine: Engine, store: EventStore, run: RunRow) -> None:
    put(store, run, event(1, changed=True, rc=0, msg='tab\t "quote" \\ line\n é'))
    [(seq, job, at, kind, host, changed, failed, snippet, data)] = rows(
        engine,
        "SELECT seq, job_id, timestamp::text, event_type, host, changed, failed, stdout_snippet, data"
        " FROM job_events WHERE job_run_id = :run",
        run=run.id,
    )
    assert (seq, job, kind, host, changed, failed) == (1, run.job_id, "TASK_OK", "web01", True, False)
    assert at.startswith("2025-12-10 09:00:01.123")
    assert snippet == "changed: [web01]"
    assert data == {"changed": True, "rc": 0, "msg": 'tab\t "quote" \\ line\n é'}


def test_a_repeat_changes_nothing(engine: Engine, store: EventStore, run: RunRow) -> None:
    events = [event(1, changed=True), event(2, "TASK_FAILED", "db"), event(3, "HOST_UNREACHABLE", "gone")]
    put(store, run, *events)
    before = progress(engine, run)
    assert before == ("{[1,4)}", 3, 3, 1, 1, 1, 0, 1)
    put(store, run, *events)
    put(store, run, events[1])
    assert progress(engine, run) == before


def test_rows_the_watermark_does_not_know_are_met_by_staging(
    engine: Engine, store: EventStore, run: RunRow
) -> None:
    put(store, run, event(1), event(2))
    with engine.begin() as connection:
        connection.execute(text("UPDATE run_event_progress SET received = '{}'"))
    put(store, run, event(2), event(3, host="new"))
    assert progress(engine, run)[:3] == ("{[2,4)}", 3, 2)
    assert rows(engine, "SELECT seq FROM job_events ORDER BY seq") == [(1,), (2,), (3,)]
    assert rows(engine, "SELECT host, ok FROM job_host_summaries ORDER BY host") == [("new", 1), ("web01", 2)]


def test_the_recap_has_the_last_word(engine: Engine, store: EventStore, run: RunRow) -> None:
    put(store, run, event(1, "TASK_FAILED"), event(2))
    put(store, run, event(3, "STATS", None, ok={"web01": 2}, rescued={"web01": 1}))
    put(store, run, event(4, "TASK_FAILED"))
    assert rows(engine, "SELECT ok, failed, rescued, final FROM job_host_summaries") == [(2, 0, 1, True)]
    assert progress(engine, run)[2:6] == (1, 1, 0, 0)


def test_what_postgresql_cannot_hold_is_cleaned(engine: Engine, store: EventStore, run: RunRow) -> None:
    nul = event(1, host="a\x00b") | {"data": {"msg": "x\x00y", "k\x00": 1}}
    surrogate = json.dumps([event(2, msg="bad \ud800 pair \ud83d\ude00", big=10**30)]).encode()
    put(store, run, nul)
    store.store(prepare([entry({**batch_fields(run, []), b"body": surrogate})]))
    assert rows(engine, "SELECT host, data->>'msg' FROM job_events ORDER BY seq") == [
        ("a\ufffdb", "x\ufffdy"),
        ("web01", "bad \ufffd pair \U0001f600"),
    ]
    assert letters(engine) == []


def test_giants_are_cut(engine: Engine, store: EventStore, run: RunRow) -> None:
    put(store, run, event(1, rc=3, stdout="x" * 400_000, results=list(range(100_000))))
    [(data,)] = rows(engine, "SELECT data FROM job_events")
    assert data == {"rc": 3, "stdout": "x" * 4096, "truncated": True}


def test_the_recap_of_very_many_hosts_counts_though_it_is_cut(
    engine: Engine, store: EventStore, run: RunRow
) -> None:
    put(store, run, event(1, "STATS", None, ok={f"host-{n:05}.example.com": 1 for n in range(20_000)}))
    assert progress(engine, run)[2:4] == (20_000, 20_000)


@pytest.mark.parametrize(
    ("broken", "seq", "reason"),
    [
        ({"seq": 0}, None, "seq: not a whole number from 1"),
        ({"seq": True}, None, "seq: not a whole number from 1"),
        ({"timestamp": "yesterday"}, 2, "timestamp: not RFC 3339, or not of these times"),
        ({"timestamp": "2025-02-31T00:00:00Z"}, 2, "timestamp: no such time"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, 2, "timestamp: not RFC 3339, or not of these times"),
        ({"event_type": "PARTY"}, 2, "event_type: not known"),
        ({"event_type": ["TASK_OK"]}, 2, "event_type: not known"),
        ({"data": []}, 2, "data: not an object"),
        ({"host": 7}, 2, "host: not text"),
        ({"host": "h" * 3000}, 2, "host: too long"),
    ],
)
def test_a_bad_event_costs_only_itself(
    engine: Engine, store: EventStore, run: RunRow, broken: dict[str, Any], seq: int | None, reason: str
) -> None:
    events = [event(1), event(2) | broken, event(3)]
    put(store, run, *events)
    assert letters(engine) == [(seq, reason)]
    assert rows(engine, "SELECT seq FROM job_events ORDER BY seq") == [(1,), (3,)]
    assert progress(engine, run)[0] == ("{[1,2),[3,4)}" if seq is None else "{[1,4)}")
    assert progress(engine, run)[1] == 2


def test_letters_are_not_doubled_by_redelivery(engine: Engine, store: EventStore, run: RunRow) -> None:
    fields = batch_fields(run, [event(1), event(2) | {"data": 1}, event(3) | {"seq": None}])
    for _ in range(3):
        store.store(prepare([entry(fields), entry({b"body": b"junk"}, 2)]))
    assert len(letters(engine)) == 3


def test_only_the_runs_own_token_writes(engine: Engine, store: EventStore, run: RunRow) -> None:
    other = make_run(engine)
    put(store, run, event(1), token=other.token)
    put(store, RunRow(run.id, other.job_id, run.token), event(1))
    assert letters(engine) == [(None, "wrong token"), (None, "wrong job")]
    assert rows(engine, "SELECT * FROM job_events") == []
    assert run.token.encode() not in rows(engine, "SELECT body FROM dead_letters")[1][0].tobytes()


def refuse(engine: Engine, condition: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE job_events ADD CONSTRAINT refuse CHECK ({condition})"))


def test_what_the_database_refuses_is_found(engine: Engine, store: EventStore, run: RunRow) -> None:
    refuse(engine, "host NOT LIKE 'poison%'")
    other = make_run(engine)
    events = [event(seq, host="poison" if seq in {7, 8, 61} else "web") for seq in range(1, 101)]
    store.store(
        prepare([entry(batch_fields(run, events)), entry(batch_fields(other, [event(1), event(2)]), 2)])
    )
    assert letters(engine) == [(seq, "refused: CheckViolation 23514") for seq in (7, 8, 61)]
    assert progress(engine, run) == ("{[1,101)}", 97, 1, 1, 0, 0, 0, 0)
    assert progress(engine, other)[:2] == ("{[1,3)}", 2)


def test_a_database_that_refuses_everything_stops_the_worker(engine: Engine, run: RunRow) -> None:
    refuse(engine, "false")
    store = EventStore(engine, poison_limit=5)
    with pytest.raises(StopWorkerError):
        put(store, run, *[event(seq) for seq in range(1, 101)])
    assert len(letters(engine)) == 5
