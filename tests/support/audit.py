"""After chaos: every job has ended, and everything that is known of it agrees."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import create_engine, text

from support.chaos import HOSTS, MAX_ATTEMPTS, STEPS, Chaos
from support.job_output import assert_complete
from support.live import LiveStack, job_ended
from support.story import NEVER
from support.waiting import eventually


def audit(chaos: Chaos, seconds: float) -> dict[str, int]:
    """Wait `seconds` for the jobs' ends and judge them; returns how many ended with each status."""
    counts: dict[str, int] = {}
    with chaos.stack.client() as client:
        for job_id in chaos.launched.values():
            job = _ended(client, job_id, seconds)
            _judge(chaos, client, job)
            counts[job["status"]] = counts.get(job["status"], 0) + 1
        total = client.get("/jobs").raise_for_status().json()["total"]
    assert total == len(chaos.launched), f"{len(chaos.launched)} launches made {total} jobs"
    _judge_database(chaos.stack)
    return counts


def _ended(client: httpx.Client, job_id: int, seconds: float) -> dict[str, Any]:
    """A job canceled or given up for lost may have put out what nobody can bring any more."""

    def over() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}").raise_for_status().json()
        return job if job["finished_at"] is not None else None

    job = eventually(f"job {job_id} is over", over, seconds)
    return job_ended(client, job_id, 60) if job["status"] == "successful" else job


def _judge(chaos: Chaos, client: httpx.Client, job: dict[str, Any]) -> None:
    runs = client.get(f"/jobs/{job['id']}/runs").raise_for_status().json()["items"]
    assert all(run["state"] == "lost" for run in runs[:-1]), runs
    match job["status"]:
        case "successful":
            events = assert_complete(client, job)
            items = [event for event in events if event["event_type"] == "TASK_ITEM_OK"]
            assert len(items) == len(HOSTS) * STEPS, f"job {job['id']} has {len(items)} results"
        case "canceled":
            assert job["id"] in chaos.canceled or job["cancel_requested"], job
        case "error":
            assert len(runs) == MAX_ATTEMPTS, job
        case _:
            raise AssertionError(f"job {job['id']} is {job['status']}: {job['error_detail']}")
    _judge_diary(chaos.diary, [run["id"] for run in runs])


def _judge_diary(diary: Path, runs: list[str]) -> None:
    """The steps of one attempt all lie before those of the next."""
    times = []
    for run in runs:
        page = diary / run
        if page.exists():
            times.append([int(line.split()[1]) for line in page.read_text().splitlines()])
    for earlier, later in pairwise(times):
        assert max(earlier) < min(later), f"attempts overlapped: {runs}"


def _judge_database(stack: LiveStack) -> None:
    engine = create_engine(stack.database_url())
    try:
        with engine.connect() as connection:
            for what, query in NEVER.items():
                found = connection.execute(text(query)).all()
                assert not found, f"{what}: {found}"
            buried = connection.execute(text("SELECT reason FROM dead_letters")).all()
            assert not buried, buried
    finally:
        engine.dispose()


def processes_of(folder: Path) -> list[str]:
    """The processes that still have to do with a stack's folder, by their working folder or environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            about = f"{(process / 'cwd').readlink()} {(process / 'environ').read_bytes()!r}"
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in about:
            found.append(f"{process.name} {command}")
    return found
