"""event-ingest killed as often as one likes, under load, by a seed; then every row and count is audited."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from drover_event_ingest.batches import prepare
from drover_event_ingest.store import EventStore
from sqlalchemy import Engine, text

from support.output import batch_fields, entry, event, send_events
from support.runs import RunRow, make_run
from support.services import service_env
from support.waiting import eventually

STREAM = "job-events"
HOSTS = [f"web{number:02}" for number in range(20)]
KINDS = ("TASK_OK", "TASK_OK", "TASK_FAILED", "TASK_SKIPPED")
WAITING = 60  # entries that are kept in the stream
CLAIM_SECONDS = 0.1
QUERIES = (
    "SELECT count(*), min(seq), max(seq) FROM job_events WHERE job_run_id = :run",
    """SELECT host, ok, changed, failed, skipped, final, last_event_at FROM job_host_summaries
       WHERE job_run_id = :run ORDER BY host""",
    """SELECT received::text, events, last_event_at, hosts_total, hosts_ok, hosts_failed, hosts_unreachable,
       hosts_skipped, hosts_changed FROM run_event_progress WHERE job_run_id = :run""",
    "SELECT seq, reason FROM dead_letters WHERE job_run_id = :run ORDER BY seq",
)


@dataclass(frozen=True)
class Storm:
    """How many kills of which workers, how long one lives on average, and the size of the runs under it."""

    seed: int
    kills: int
    workers: int = 3
    seconds_between: float = 0.06
    events_a_run: int = 3000


@dataclass(frozen=True)
class Outcome:
    kills: int
    runs: int
    events: int
    sends: int
    seconds: float


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


@contextmanager
def killer(module: str, env: Mapping[str, str], log: Path) -> Iterator[Any]:
    """A function that kills worker N of a service and starts it anew."""
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "support.zygote", module],
            env={**os.environ, **env, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            bufsize=1,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def kill(number: int) -> None:
        stdin.write(f"{number}\n")
        answer = stdout.readline().strip()
        assert answer == "ok", f"worker {number} {answer}: {log.read_text()[-2000:]}"

    try:
        yield kill
    finally:
        stdin.close()
        process.wait(20)
        stdout.close()


def ride(engine: Engine, database_url: str, redis_url: str, log: Path, storm: Storm) -> Outcome:
    """Raises AssertionError where an event is missing, double or miscounted."""
    rng, started = random.Random(storm.seed), time.monotonic()
    events = events_of_run(storm.events_a_run)
    reference = make_run(engine)
    EventStore(engine).store(prepare([entry(batch_fields(reference, events))]))
    env = service_env(database_url, redis_url) | {"DROVER_CLAIM_IDLE_SECONDS": str(CLAIM_SECONDS)}
    runs: list[RunRow] = []
    unsent: list[tuple[RunRow, Sequence[Mapping[str, Any]]]] = []
    sends = 0
    with redis.Redis.from_url(redis_url) as client, killer("drover_event_ingest", env, log) as kill:
        for number in range(storm.workers):
            kill(number)
        for _ in range(storm.kills):
            for _ in range(WAITING - _length(client)):
                if not unsent:
                    more = [make_run(engine) for _ in range(3)]
                    runs += more
                    unsent = [(run, batch) for run in more for batch in batches_of(events, rng)]
                    rng.shuffle(unsent)
                send_events(client, *unsent.pop())
                sends += 1
            time.sleep(rng.expovariate(1 / storm.seconds_between))
            kill(rng.randrange(storm.workers))
        for run, batch in unsent:
            send_events(client, run, batch)
        eventually("an empty stream", lambda: _length(client) == 0, 120)
    expected = facts(engine, reference)
    for run in runs:
        assert facts(engine, run) == expected, f"run {run.id} is not as it was sent (seed {storm.seed})"
    total = storm.events_a_run * len(runs)
    return Outcome(storm.kills, len(runs), total, sends + len(unsent), time.monotonic() - started)


def _length(client: "redis.Redis") -> int:
    length: Any = client.xlen(STREAM)
    return int(length)
