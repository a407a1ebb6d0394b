"""The database agrees with the code: tables, transitions, partitions."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from drover_shared.db.migrate import upgrade
from drover_shared.db.models import Base, InventorySnapshot, Job, JobRun
from drover_shared.db.partitions import ensure_partitions, partition_name
from drover_shared.db.transitions import move_job, move_run
from drover_shared.domain.states import JOB_TRANSITIONS, RUN_TRANSITIONS, JobStatus, RunState
from drover_shared.ids import first_run_id_of, new_run_id
from sqlalchemy import Connection, Engine, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError


def make_job(connection: Connection, **values: Any) -> int:
    """A job row with what the table asks for."""
    snapshot = connection.execute(
        insert(InventorySnapshot)
        .values(inventory_id=1, version=new_run_id().int % 2**31, manifest={})
        .returning(InventorySnapshot.id)
    ).scalar_one()
    defaults: dict[str, Any] = {
        "name": "job",
        "organization_id": 1,
        "inventory_id": 1,
        "project_id": 1,
        "inventory_snapshot_id": snapshot,
        "project": {},
        "playbook": "site.yml",
    }
    return connection.execute(insert(Job).values(**defaults | values).returning(Job.id)).scalar_one()


def make_run(connection: Connection, job_id: int, **values: Any) -> UUID:
    run_id = new_run_id()
    connection.execute(insert(JobRun).values(id=run_id, job_id=job_id, **{"attempt_number": 1} | values))
    return run_id


def test_the_migrations_make_the_models_tables(engine: Engine) -> None:
    def ours(thing: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
        table = thing.name if kind == "table" else thing.table.name
        return not table.startswith("job_events_") and name != "lifecycle_transitions"

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours})
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    upgrade(database_url)


def test_the_databases_transitions_are_the_domains(engine: Engine) -> None:
    expected = {("job", a, b) for a, targets in JOB_TRANSITIONS.items() for b in targets} | {
        ("run", a, b) for a, targets in RUN_TRANSITIONS.items() for b in targets
    }
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT machine, source, target FROM lifecycle_transitions"))
        assert {tuple(row) for row in rows} == expected


def test_jobs_move_only_as_the_table_allows(engine: Engine) -> None:
    for source, target in product(JobStatus, JobStatus):
        with engine.connect() as connection:
            job_id = make_job(connection, status=source)
            moved = move_job(connection, job_id, target)
            assert moved == (target in JOB_TRANSITIONS[source]), (source, target)
            row = connection.execute(select(Job.status, Job.finished_at).where(Job.id == job_id)).one()
            assert row.status == (target if moved else source)
            assert (row.finished_at is not None) == (moved and not JOB_TRANSITIONS[target])
            if not moved and source != target:
                with pytest.raises(IntegrityError, match="may not become"):
                    connection.execute(update(Job).where(Job.id == job_id).values(status=target))


def test_runs_move_only_as_the_table_allows(engine: Engine) -> None:
    for source, target in product(RunState, RunState):
        with engine.connect() as connection:
            run_id = make_run(connection, make_job(connection), state=source)
            moved = move_run(connection, run_id, target)
            assert moved == (target in RUN_TRANSITIONS[source]), (source, target)
            if not moved and source != target:
                with pytest.raises(IntegrityError, match="may not become"):
                    connection.execute(update(JobRun).where(JobRun.id == run_id).values(state=target))


def test_a_guard_that_does_not_hold_stops_a_move(engine: Engine) -> None:
    with engine.connect() as connection:
        job_id = make_job(connection)
        assert not move_job(connection, job_id, JobStatus.QUEUED, Job.cancel_requested.is_(True))
        assert move_job(connection, job_id, JobStatus.QUEUED, Job.created_at <= func.now(), error_detail="x")
        assert connection.scalar(select(Job.error_detail).where(Job.id == job_id)) == "x"


def test_a_job_has_one_live_attempt(engine: Engine) -> None:
    with engine.connect() as connection:
        job_id = make_job(connection)
        make_run(connection, job_id, state="lost")
        make_run(connection, job_id, state="pending", attempt_number=2)
        with pytest.raises(IntegrityError, match="uq_job_runs_live"):
            make_run(connection, job_id, state="pending", attempt_number=3)


def insert_event(connection: Connection, run_id: UUID) -> str:
    """Store an event and tell which partition took it."""
    statement = text(
        "INSERT INTO job_events (job_run_id, seq, job_id, timestamp, event_type, data)"
        " VALUES (:run, 1, 1, now(), 'WARNING', '{}') RETURNING tableoid::regclass::text"
    )
    return str(connection.execute(statement, {"run": run_id}).scalar_one())


def test_a_long_reader_of_events_holds_nobody_up(engine: Engine) -> None:
    """Such as a backup: whoever waits to add a partition makes all others wait, so it gives up soon."""
    count = text("SELECT count(*) FROM job_events")
    with engine.begin() as backup:
        backup.execute(count)
        with pytest.raises(OperationalError, match="lock timeout"), engine.begin() as connection:
            ensure_partitions(connection, date(2032, 5, 17), days_ahead=1)
        with engine.begin() as other:
            assert other.scalar(count) == 0
    with engine.begin() as connection:
        assert len(ensure_partitions(connection, date(2032, 5, 17), days_ahead=1)) == 3


def test_events_lie_in_their_days_partition(engine: Engine) -> None:
    with engine.begin() as connection:
        day = date(2031, 5, 17)
        made = ensure_partitions(connection, day, days_ahead=1)
        assert made == [partition_name(day + timedelta(days=n)) for n in (-1, 0, 1)]
        assert ensure_partitions(connection, day, days_ahead=1) == []
        noon = first_run_id_of(datetime(2031, 5, 17, 12, tzinfo=UTC))
        assert insert_event(connection, noon) == "job_events_20310517"
        assert insert_event(connection, new_run_id()) == partition_name(datetime.now(UTC).date())
        assert insert_event(connection, UUID(int=1)) == "job_events_default"
