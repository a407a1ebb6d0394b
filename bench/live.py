"""A thousand live readers on one API process: what they cost everybody else, and how late they are.

    python bench/live.py [--viewers 1000] [--jobs 20] [--seconds 15]

The API is the real process with one worker; readers are real connections of another process, spread over the
jobs, each reading `text/event-stream`. Every job gets ten events a second, committed as event-ingest does it
and announced by the same bell. One reader more reads nothing until the end. Plain requests are asked one
after the other at an even pace, with the same commits going on, first without readers and then with all of
them.
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import UUID

import httpx
import redis
from drover_shared.streams.bells import ring_runs
from sqlalchemy import Engine, create_engine, text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from logs import api, make_reader
from support.api_process import Place
from support.runs import RunRow, make_run
from support.servers import StackServers, running_servers

EVENTS_AT_ONCE = 10
PAUSE_SECONDS = 0.02  # between two plain requests
INSERT = text("""
    INSERT INTO job_events (job_run_id, job_id, seq, timestamp, event_type, host, task_name, play_name,
        changed, stdout_snippet, data)
    SELECT :run, :job, seq, now(), 'TASK_OK', 'web' || seq, 'Install nginx', 'Configure web servers', true,
        'changed: [web]', '{"rc": 0, "changed": true}'
    FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS seq
""")
PROGRESS = text("""
    INSERT INTO run_event_progress AS p (job_run_id, job_id, received, events)
    VALUES (:run, :job, int8multirange(int8range(1, CAST(:last AS bigint) + 1)), :last)
    ON CONFLICT (job_run_id) DO UPDATE SET received = excluded.received, events = excluded.events
""")


class Writer(threading.Thread):
    """Commits events of every job each second, spread evenly, and knows when each was committed."""

    def __init__(self, engine: Engine, client: "redis.Redis", runs: Sequence[RunRow]) -> None:
        super().__init__(daemon=True)
        self._engine, self._client, self._runs = engine, client, runs
        self._stop_it = threading.Event()
        self.last = {run.id: 0 for run in runs}
        self.committed: dict[tuple[UUID, int], float] = {}

    def run(self) -> None:
        pause = 1.0 / len(self._runs)
        due = time.monotonic()
        while not self._stop_it.is_set():
            for run in self._runs:
                self.write(run)
                due += pause
                if self._stop_it.wait(max(due - time.monotonic(), 0)):
                    return

    def write(self, run: RunRow) -> None:
        first = self.last[run.id] + 1
        last = first + EVENTS_AT_ONCE - 1
        values = {"run": run.id, "job": run.job_id, "first": first, "last": last}
        with self._engine.begin() as connection:
            connection.execute(INSERT, values)
            connection.execute(PROGRESS, values)
        now = time.monotonic()
        self.committed |= {(run.id, seq): now for seq in range(first, last + 1)}
        self.last[run.id] = last
        ring_runs(self._client, [run.id], "events")

    def stop(self) -> None:
        self._stop_it.set()
        self.join()


@dataclass
class Seen:
    """What one reader got: (seq, moment) of every event."""

    run: UUID
    events: list[tuple[int, float]] = field(default_factory=list)


def view(port: int, token: str, runs: Sequence[UUID], pipe: Connection) -> None:
    """The process of the readers: says "ready", reads on until the last seqs, hands over what it saw."""
    asyncio.run(_view(port, token, runs, pipe))


async def _view(port: int, token: str, runs: Sequence[UUID], pipe: Connection) -> None:
    seen = [Seen(run) for run in runs]
    places = asyncio.Semaphore(20)
    ready = [asyncio.Event() for _ in runs]
    tasks = [
        asyncio.create_task(_read(port, token, one, places, event))
        for one, event in zip(seen, ready, strict=True)
    ]
    for event in ready:
        await event.wait()
    pipe.send("ready")
    last = await asyncio.to_thread(pipe.recv)
    async with asyncio.timeout(30):
        while any(  # noqa: ASYNC110 - a thousand readers set no event each for a script's end
            not one.events or one.events[-1][0] < last[one.run] for one in seen
        ):
            await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    pipe.send(seen)


async def _read(port: int, token: str, seen: Seen, places: asyncio.Semaphore, ready: asyncio.Event) -> None:
    async with places:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        writer.write(request(seen.run, token))
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(head.decode())
        await reader.readuntil(b"retry: 2000\n\n")
    ready.set()
    try:
        while line := await reader.readline():
            if line.startswith(b"id: "):
                seen.events.append((int(line[4:]), time.monotonic()))
    finally:
        writer.close()


def request(run: UUID, token: str) -> bytes:
    return (
        f"GET /api/v1/job-runs/{run}/events HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()


def ask(client: httpx.Client, path: str, seconds: float) -> list[float]:
    """How long each plain request took, in ms."""
    took, until = [], time.monotonic() + seconds
    while (started := time.monotonic()) < until:
        client.get(path).raise_for_status()
        took.append((time.monotonic() - started) * 1000)
        time.sleep(max(PAUSE_SECONDS - (time.monotonic() - started), 0))
    return took


def spread(values: Sequence[float]) -> str:
    cuts = statistics.quantiles(values, n=100)
    return f"p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, max {max(values):.1f} ms of {len(values)}"


def resident_kb(parent: int) -> int:
    """Of the process's children, added up."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields["PPid"]) == parent:
            total += int(fields.get("VmRSS", "0 kB").split()[0])
    return total


@contextmanager
def sleeper(port: int, token: str, run: UUID) -> Iterator[Callable[[int], int]]:
    """A reader that reads nothing until asked: then it counts the events up to seq `last`."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30) as client:
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        with client.stream("GET", f"/job-runs/{run}/events", headers=headers) as stream:

            def wake(last: int) -> int:
                count = 0
                for line in stream.iter_lines():
                    if line.startswith("id: "):
                        count += 1
                        if line[4:] == str(last):
                            break
                return count

            yield wake


def measure(servers: StackServers, viewers: int, jobs: int, seconds: float) -> None:
    place = Place.make(servers)
    engine = create_engine(place.database_url)
    runs, token = [make_run(engine) for _ in range(jobs)], make_reader(engine)
    settings = {"DROVER_API_LIVE_READERS": str(viewers + 10)}
    with api(place, token, servers.home / "api.log", settings) as (client, process):
        port, path = client.base_url.port or 0, f"/jobs/{runs[0].job_id}"
        ask(client, path, 2)  # warm
        writer = Writer(engine, redis.Redis.from_url(place.redis_url), runs)
        writer.start()
        alone = ask(client, path, seconds)
        print(f"plain requests, no reader:      {spread(alone)}")
        before = resident_kb(process)
        ours, theirs = multiprocessing.Pipe()
        watched = [runs[number % jobs].id for number in range(viewers)]
        started = time.monotonic()
        reading = multiprocessing.get_context("spawn").Process(
            target=view, args=(port, token, watched, theirs)
        )
        reading.start()
        ours.recv()
        joined = time.monotonic()
        print(f"{viewers} readers of {jobs} jobs came in {joined - started:.1f} s")
        with sleeper(port, token, runs[0].id) as wake:
            crowded = ask(client, path, seconds)
            print(f"plain requests, {viewers} readers: {spread(crowded)}")
            after = resident_kb(process)
            writer.stop()
            ours.send(writer.last)
            seen: list[Seen] = ours.recv()
            reading.join()
            told = wake(writer.last[runs[0].id])
        print(f"memory a reader: {(after - before) / viewers:.0f} kB ({before / 1000:.0f} MB before them)")
        report(writer, seen, joined, told == writer.last[runs[0].id])
        ratio = statistics.quantiles(crowded, n=100)[98] / statistics.quantiles(alone, n=100)[98]
        print(f"p99 of a plain request with readers to without: {ratio:.2f} (target: p99 under 50 ms)")


def report(writer: Writer, seen: Sequence[Seen], joined: float, sleeper_whole: bool) -> None:
    late = [
        (moment - writer.committed[one.run, seq]) * 1000
        for one in seen
        for seq, moment in one.events
        if writer.committed[one.run, seq] > joined
    ]
    whole = all([seq for seq, _ in one.events] == list(range(1, writer.last[one.run] + 1)) for one in seen)
    print(f"commit to reader: {spread(late)} deliveries")
    print(json.dumps({"every_reader_got_each_event_once_in_order": whole, "sleeper_too": sleeper_whole}))
    if not (whole and sleeper_whole):
        raise SystemExit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    with running_servers() as servers:
        measure(servers, options.viewers, options.jobs, options.seconds)


if __name__ == "__main__":
    main()
