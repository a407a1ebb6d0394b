"""Events whose time is over go by the day, and only those."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from drover_event_ingest.partitions import look_after
from drover_event_ingest.retention import drop_day, expired_days
from drover_shared.db.models import JobRun
from drover_shared.db.partitions import ensure_partitions
from drover_shared.ids import first_run_id_of
from sqlalchemy import Connection, Engine, text, update
from support.runs import add_run

TODAY = datetime.now(UTC).date()
AGO = {days: TODAY - timedelta(days=days) for days in (40, 30, 20)}


def add_old_run(connection: Connection, day: date, state: str) -> UUID:
    """A run of noon of that day, with one event and one dead letter."""
    connection.execute(text("ALTER TABLE job_runs DISABLE TRIGGER guard_job_runs"))
    run = add_run(connection)
    old = UUID(int=first_run_id_of(datetime(day.year, day.month, day.day, 12, tzinfo=UTC)).int + 7)
    connection.execute(update(JobRun).where(JobRun.id == run.id).values(id=old, state=state))
    connection.execute(
        text(
            "INSERT INTO job_events (job_run_id, seq, job_id, timestamp, event_type, data)"
            " VALUES (:run, 1, :job, now(), 'TASK_OK', '{}')"
        ),
        {"run": old, "job": run.job_id},
    )
    connection.execute(
        text(
            "INSERT INTO dead_letters (stream, message_id, job_run_id, reason, body)"
            " VALUES ('job-events', 'x', :run, 'y', '')"
        ),
        {"run": old},
    )
    return old


@pytest.fixture
def runs(engine: Engine) -> dict[int, UUID]:
    """By age in days; the one of 30 days still runs."""
    with engine.begin() as connection:
        for day in AGO.values():
            ensure_partitions(connection, day, 0)
        return {
            days: add_old_run(connection, day, "running" if days == 30 else "successful")
            for days, day in AGO.items()
        }


def kept(engine: Engine, table: str = "job_events") -> set[UUID]:
    with engine.connect() as connection:
        return set(connection.scalars(text(f"SELECT job_run_id FROM {table}")))  # noqa: S608 - ours


def test_days_go_but_those_of_live_runs(engine: Engine, runs: dict[int, UUID]) -> None:
    look_after(engine, TODAY, 0)
    assert kept(engine) == set(runs.values())
    with engine.connect() as connection:
        days = [found.day for found in expired_days(connection, TODAY, 25)]
    assert AGO[40] in days
    assert not {AGO[30], AGO[20]} & set(days)
    look_after(engine, TODAY, 25)
    assert kept(engine) == kept(engine, "dead_letters") == {runs[30], runs[20]}


def test_a_long_reader_is_not_waited_for(engine: Engine, runs: dict[int, UUID]) -> None:
    with engine.begin() as reader:
        reader.execute(text("SELECT count(*) FROM job_events"))
        assert not drop_day(engine, AGO[40])
    assert kept(engine) == set(runs.values())
    assert drop_day(engine, AGO[40])
    assert drop_day(engine, AGO[40])  # another worker was first


def test_the_command_only_names_them_unless_told(
    engine: Engine, database_url: str, runs: dict[int, UUID]
) -> None:
    def command(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "drover_event_ingest", "retention", *arguments],
            env={**os.environ, "DROVER_DATABASE_URL": database_url},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    status, shown = command("--days", "35")
    assert status == 0
    assert f"{AGO[40]}  about 0 events" in shown
    assert all(line.endswith("would be dropped") for line in shown.splitlines())
    assert kept(engine) == set(runs.values())
    status, shown = command("--days", "35", "--apply")
    assert all(line.endswith(": dropped") for line in shown.splitlines())
    assert kept(engine) == {runs[30], runs[20]}
    assert command("--days", "35")[1] == "no events are older than 35 days\n"
    assert command("--days", "0")[0] == 2
