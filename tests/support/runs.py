"""Jobs and runs as rows, for tests that begin behind the API."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from drover_shared.db.models import Executor, InventorySnapshot, Job, JobRun
from drover_shared.ids import new_run_id, new_token, token_hash
from sqlalchemy import Connection, Engine, insert


@dataclass(frozen=True)
class RunRow:
    """A run with the stream token that its executor would hold."""

    id: UUID
    job_id: int
    token: str


def add_job(connection: Connection, **values: Any) -> int:
    """A pending job without a template; `values` are columns of its own."""
    snapshot = connection.execute(
        insert(InventorySnapshot)
        .values(inventory_id=1, version=_next_version(connection), manifest={"mode": "inline"})
        .returning(InventorySnapshot.id)
    ).scalar_one()
    row = {
        "name": "a job",
        "organization_id": 1,
        "inventory_id": 1,
        "project_id": 1,
        "inventory_snapshot_id": snapshot,
        "project": {},
        "playbook": "site.yml",
    }
    return connection.execute(insert(Job).values(**(row | values)).returning(Job.id)).scalar_one()


def add_run(
    connection: Connection, job_id: int | None = None, lease_expires_at: datetime | None = None, **values: Any
) -> RunRow:
    """A running run, of a running job of its own unless `job_id` is given."""
    run_id, token = new_run_id(), new_token("drs")
    if job_id is None:
        job_id = add_job(connection, status="running", current_run_id=run_id)
    row = {
        "id": run_id,
        "job_id": job_id,
        "attempt_number": 1,
        "state": "running",
        "stream_token_hash": token_hash(token),
        "lease_expires_at": lease_expires_at,
    }
    connection.execute(insert(JobRun).values(**(row | values)))
    return RunRow(run_id, job_id, token)


def add_executor(engine: Engine, slots: int, name: str = "one", pools: Sequence[str] = ("default",)) -> None:
    """An executor that was seen just now."""
    with engine.begin() as connection:
        connection.execute(
            insert(Executor).values(
                name=name, pools=list(pools), slots=slots, version="1", token_hash=token_hash(name)
            )
        )


def make_run(engine: Engine) -> RunRow:
    """`add_run`, committed."""
    with engine.begin() as connection:
        return add_run(connection)


def _next_version(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT nextval('job_events_id_seq')").scalar_one())
