"""event-ingest killed as often as one likes, under load, by a seed; then every row and count is audited."""

import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import redis
from drover_event_ingest.batches import prepare
from drover_event_ingest.store import EventStore
from sqlalchemy import Engine, text

from support.output import batch_fields, entry, event, send_events
from support.runs import RunRow, make_run
from support.services import service_env
from support.storm import Outcome, Storm, killer, under_fire

STREAM = "job-events"
HOSTS = [f"web{number:02}" for number in range(20)]
KINDS = ("TASK_OK", "TASK_OK", "TASK_FAILED", "TASK_SKIPPED")
CLAIM_SECONDS = 0.1
USUAL = Storm(seed=1, kills=2000, size=3000, seconds_between=0.06)
QUERIES = (
    "SELECT count(*), min(seq), max(seq) FROM job_events WHERE job_run_id = :run",
    """SELECT host, ok, changed, failed, skipped, final, last_event_at FROM job_host_summaries
       WHERE job_run_id = :run ORDER BY host""",
    """SELECT received::text, events, last_event_at, hosts_total, hosts_ok, hosts_failed, hosts_unreachable,
       hosts_skipped, hosts_changed FROM run_event_progress WHERE job_run_id = :run""",
    "SELECT seq, reason FROM dead_letters WHERE job_run_id = :run ORDER BY seq",
)


def events_of_run(count: int) -> list[dict[str, Any]]:
    """Results of twenty hosts, one in fifty of them not to be stored, and the recap of half of the hosts."""
    plain = [
        event(seq, KINDS[seq % 4], HOSTS[seq % len(HOSTS)], changed=seq % 3 == 0)
        | ({"data": "not an object"} if seq % 50 == 0 else {})
        for seq in range(1, count)
    ]
    return [*plain, event(count, "STATS", None, ok=dict.fromkeys(HOSTS[:10], 5))]


def batches_of(events: Sequence[Mapping[str, Any]], rng: random.Random) -> list[Sequence[Mapping[str, Any]]]:
    """Cut into batches, some of them twice, in any order."""
    batches, at = [], 0
    while at < len(events):
        size = rng.randint(1, 80)
        batches.append(events[at : at + size])
        at += size
    batches += [batch for batch in batches if rng.random() < 0.3]
    rng.shuffle(batches)
    return batches


def facts(engine: Engine, run: RunRow) -> list[Any]:
    """All that must come out the same whatever happened on the way."""
    with engine.connect() as connection:
        return [[tuple(row) for row in connection.execute(text(sql), {"run": run.id})] for sql in QUERIES]


def ride(engine: Engine, database_url: str, redis_url: str, log: Path, storm: Storm) -> Outcome:
    """Raises AssertionError where an event is missing, double or miscounted."""
    rng, started = random.Random(storm.seed), time.monotonic()
    events = events_of_run(storm.size)
    reference = make_run(engine)
    EventStore(engine).store(prepare([entry(batch_fields(reference, events))]))
    env = service_env(database_url, redis_url) | {"DROVER_CLAIM_IDLE_SECONDS": str(CLAIM_SECONDS)}
    runs: list[RunRow] = []

    def more() -> list[tuple[RunRow, Sequence[Mapping[str, Any]]]]:
        new = [make_run(engine) for _ in range(3)]
        runs.extend(new)
        return [(run, batch) for run in new for batch in batches_of(events, rng)]

    with redis.Redis.from_url(redis_url) as client, killer("drover_event_ingest", env, log) as kill:
        sends = under_fire(client, STREAM, storm, rng, kill, more, lambda one: send_events(client, *one))
    expected = facts(engine, reference)
    for run in runs:
        assert facts(engine, run) == expected, f"run {run.id} is not as it was sent (seed {storm.seed})"
    return Outcome(storm, len(runs), sends, time.monotonic() - started)
