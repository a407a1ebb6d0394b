"""After chaos: every job has ended, and everything that is known of it agrees."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Connection, create_engine, text

from support import diary
from support.chaos import MAX_ATTEMPTS, Chaos
from support.job_output import assert_complete
from support.live import job_ended
from support.story import NEVER
from support.waiting import eventually


def audit(chaos: Chaos, seconds: float) -> dict[str, int]:
    """Wait `seconds` for the jobs' ends and judge them; returns how many ended with each status."""
    counts: Counter[str] = Counter()
    engine = create_engine(chaos.fleet.database_url())
    try:
        with chaos.fleet.client() as client, engine.connect() as connection:
            for job_id in chaos.launched.values():
                job = _ended(client, job_id, seconds)
                counts[job["status"]] += 1
                counts["lost attempts"] += _judge(chaos, client, connection, job)
                connection.rollback()
            total = client.get("/jobs").raise_for_status().json()["total"]
            assert total == len(chaos.launched), f"{len(chaos.launched)} launches made {total} jobs"
            _judge_database(connection)
    finally:
        engine.dispose()
    return dict(counts)


def _ended(client: httpx.Client, job_id: int, seconds: float) -> dict[str, Any]:
    """A job canceled or given up for lost may have put out what nobody can bring any more."""

    def over() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}").raise_for_status().json()
        return job if job["finished_at"] is not None else None

    job = eventually(f"job {job_id} is over", over, seconds)
    return job_ended(client, job_id, 120) if job["status"] == "successful" else job


def _judge(chaos: Chaos, client: httpx.Client, connection: Connection, job: dict[str, Any]) -> int:
    """Returns how many of its attempts were lost."""
    runs = client.get(f"/jobs/{job['id']}/runs").raise_for_status().json()["items"]
    runs.sort(key=lambda run: run["attempt_number"])
    ids = [run["id"] for run in runs]
    lost = [run for run in runs if run["state"] == "lost" or run["error_reason"] == "executor_lost"]
    assert all(run in lost for run in runs[:-1]), runs
    match job["status"]:
        case "successful":
            events = assert_complete(client, job)
            _judge_log(connection, client, ids[-1])
            seen = diary.results(chaos.diary, ids[-1])
            assert sum(seen.values()) >= len(diary.HOSTS) * (diary.STEPS + 2), f"a short diary: {seen}"
            assert diary.told(events) == seen, f"job {job['id']}: {diary.told(events)} is not {seen}"
        case "canceled":
            assert job["id"] in chaos.canceled or job["cancel_requested"], job
        case "error":
            assert len(runs) == MAX_ATTEMPTS, job
        case _:
            raise AssertionError(f"job {job['id']} is {job['status']}: {job['error_detail']}")
    for run_id in ids:
        _judge_partial(chaos, connection, run_id)
    diary.judge_overlap(chaos.diary, ids)
    return len(lost)


def _judge_log(connection: Connection, client: httpx.Client, run_id: str) -> None:
    """The log's bytes are those whose hash the executor told at the end."""
    told = connection.execute(
        text("SELECT final_log_bytes, final_log_sha256 FROM job_runs WHERE id = :id"), {"id": run_id}
    ).one()
    answer = client.get(f"/job-runs/{run_id}/log", params={"format": "ansi"}).raise_for_status()
    assert (len(answer.content), hashlib.sha256(answer.content).hexdigest()) == tuple(told)


def _judge_partial(chaos: Chaos, connection: Connection, run_id: str) -> None:
    """Of an attempt that was ended in its middle no event is double, and none is invented.

    Ansible tells ansible-runner before it tells the diary, so the last result of each host may be ahead.
    """
    rows = connection.execute(
        text("SELECT event_type, host, task_name FROM job_events WHERE job_run_id = :id"), {"id": run_id}
    )
    told = diary.told([dict(row._mapping) for row in rows])
    invented = told - diary.results(chaos.diary, run_id)
    assert sum(invented.values()) <= 1, f"attempt {run_id} has results that its playbook had not: {invented}"


def _judge_database(connection: Connection) -> None:
    for what, query in NEVER.items():
        found = connection.execute(text(query)).all()
        assert not found, f"{what}: {found}"
    buried = connection.execute(text("SELECT reason FROM dead_letters")).all()
    assert not buried, buried


def processes_of(folder: Path) -> list[str]:
    """The processes that still have to do with a fleet's folder, by their working folder or environment."""
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
