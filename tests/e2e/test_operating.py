"""An operator's day: everything is asked, counted, drained, backed up, broken, and brought back."""

import re
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, text
from support.job_output import assert_complete
from support.live import LiveStack, job_ended
from support.projects import World, local_hosts, make_repository
from support.waiting import eventually

HELLO = "- hosts: all\n  gather_facts: false\n  tasks:\n    - debug: {msg: hello}\n"


@pytest.fixture(scope="module")
def finished(stack: LiveStack, tmp_path_factory: pytest.TempPathFactory) -> int:
    """A job that has ended."""
    project = tmp_path_factory.mktemp("operating") / "project"
    make_repository(project, {"site.yml": HELLO})
    with stack.client() as client:
        world = World.make(client, "operating")
        inventory = world.inventory("fleet", local_hosts("one", "two"))
        job = world.launch(world.template("hello", str(project), "site.yml", inventory))
        job_ended(client, job["id"])
    job_id: int = job["id"]
    return job_id


def admin(stack: LiveStack, *arguments: str) -> str:
    done = stack.command("admin", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_everything_that_is_asked_is_well(stack: LiveStack) -> None:
    lines = admin(stack, "check").splitlines()
    assert [line[:4].strip() for line in lines] == ["ok"] * 10, lines
    assert re.search(r"executors +1 of 1 alive", lines[-1])


def test_counts(stack: LiveStack, finished: int) -> None:
    assert finished
    shown = admin(stack, "stats")
    assert re.search(r"jobs of the last hour +.*(successful|failed) \d+", shown)
    assert re.search(r"table job_events +[\d.]+ MB", shown)


def test_an_executor_is_drained_and_taken_back(stack: LiveStack, client: httpx.Client) -> None:
    assert "runs nothing" in admin(stack, "drain", "local", "--wait", "60")
    try:
        [executor] = client.get("/executors?name=local").json()["items"]
        assert executor["draining"] is True
        assert stack.command("admin", "check").returncode == 1
        assert stack.command("admin", "drain", "nobody").returncode == 1
    finally:
        assert "takes runs again" in admin(stack, "drain", "local", "--undo")


def test_nothing_waits_so_nothing_is_rung_for(stack: LiveStack) -> None:
    done = stack.command("admin", "requeue", "999999999")
    assert (done.returncode, done.stdout) == (1, "0 pending jobs and 0 waiting runs, 0 rings heard\n")


def test_a_backup_brings_everything_back(
    stack: LiveStack, client: httpx.Client, finished: int, tmp_path: Path
) -> None:
    before = job_ended(client, finished)
    log, events = client.get(f"/jobs/{finished}/log").content, assert_complete(client, before)
    folder = tmp_path / "backup"
    assert "complete" in admin(stack, "backup", str(folder))
    assert client.delete(f"/jobs/{finished}").status_code == 204
    assert client.get(f"/jobs/{finished}").status_code == 404
    engine = create_engine(stack.database_url())
    with engine.begin() as connection:  # the disaster: a table is gone
        connection.execute(text("DROP TABLE job_host_summaries CASCADE"))
    refused = stack.command("admin", "restore", str(folder))
    assert refused.returncode == 1
    assert "has tables already" in refused.stderr
    assert "restored" in admin(stack, "restore", str(folder), "--replace")
    engine.dispose()
    after = eventually("the API answers again", lambda: _job(client, finished), 30)
    assert after == before
    assert client.get(f"/jobs/{finished}/log").content == log
    assert assert_complete(client, after) == events


def _job(client: httpx.Client, job_id: int) -> dict[str, object] | None:
    answer = client.get(f"/jobs/{job_id}")
    found: dict[str, object] = answer.json()
    return found if answer.status_code == 200 else None


def test_a_damaged_backup_is_refused(stack: LiveStack, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    admin(stack, "backup", str(folder))
    with (folder / "database.dump").open("ab") as dump:
        dump.write(b"x")
    refused = stack.command("admin", "restore", str(folder), "--replace")
    assert refused.returncode == 1
    assert "is damaged" in refused.stderr
    assert stack.command("admin", "check").returncode == 0
