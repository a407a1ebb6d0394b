"""Jobs whose time is over: log objects first, then all their rows, some jobs a transaction.

An active job never goes, however old. Any number of schedulers may look at once: each skips what another has
in hand. A failure in between costs nothing: what is still there is found by the next look.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from drover_shared.db.models import Job
from drover_shared.db.removal import log_objects, remove_jobs, remove_snapshots, runs_of, with_slices
from drover_shared.domain.states import FINAL_JOB_STATUSES
from drover_shared.logging import get_logger
from drover_shared.settings import S3Settings
from drover_shared.streams.failures import describe
from drover_shared.streams.progress import Progress
from sqlalchemy import ColumnElement, Connection, Engine, and_, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from drover_scheduler import metrics

if TYPE_CHECKING:
    from drover_shared.objects import ObjectStore

DeleteObjects = Callable[[Sequence[str]], None]
JOBS_AT_ONCE = 20
LIMIT_SECONDS = 3600.0  # the events of so many jobs are deleted by one statement
_OBJECTS_AT_ONCE = 1000
_HOUR = 3600.0
_RETRY = 30.0
_log = get_logger("drover.scheduler")
_one = aliased(Job)
_SIZES = text("""
    SELECT count(*) AS runs, coalesce(sum(e.events), 0) AS events, coalesce(sum(l.bytes), 0) AS log_bytes
    FROM job_runs AS r LEFT JOIN run_event_progress AS e ON e.job_run_id = r.id
    LEFT JOIN run_log_progress AS l ON l.job_run_id = r.id
    JOIN jobs AS one ON one.id = r.job_id JOIN jobs AS j ON j.id = coalesce(one.sliced_job_id, one.id)
    WHERE j.finished_at < now() - :age AND j.status = ANY(:final)
""")


@dataclass(frozen=True, slots=True)
class Expired:
    """What has had its time: `events` as counted when they came, `log_bytes` of output."""

    jobs: int
    runs: int
    events: int
    log_bytes: int


def open_store(settings: S3Settings) -> "ObjectStore":
    """The object store; boto3 is large, so that only those pay for it who remove anything."""
    from drover_shared.objects import ObjectStore  # noqa: PLC0415 - see above

    return ObjectStore(settings)


def count_expired(connection: Connection, days: int) -> Expired:
    """Jobs that finished more than `days` days ago, by the database's clock."""
    over = select(Job.id).where(_is_over(days))
    root = func.coalesce(_one.sliced_job_id, _one.id)
    jobs = connection.execute(select(func.count()).select_from(_one).where(root.in_(over))).scalar_one()
    bounds = {"age": timedelta(days=days), "final": sorted(FINAL_JOB_STATUSES)}
    sizes = connection.execute(_SIZES, bounds).one()
    return Expired(jobs, int(sizes.runs), int(sizes.events), int(sizes.log_bytes))


def remove_some(engine: Engine, delete_objects: DeleteObjects, days: int) -> int:
    """Remove the jobs that finished first, `JOBS_AT_ONCE` at most; returns how many, 0 where none is too old.

    A job goes with its slices, and they with it alone.

    Raises what says that the database or the object store is away; then nothing of the rows has changed.
    """
    with engine.begin() as connection:
        found = connection.execute(
            select(Job.id, Job.inventory_snapshot_id)
            .where(_is_over(days), Job.sliced_job_id.is_(None))
            .order_by(Job.finished_at)
            .limit(JOBS_AT_ONCE)
            .with_for_update(skip_locked=True)
        ).all()
        if not found:
            return 0
        job_ids = with_slices(connection, [job_id for job_id, _ in found])
        run_ids = runs_of(connection, job_ids)
        _delete_all(connection, delete_objects, log_objects(connection, run_ids))
        remove_jobs(connection, job_ids, run_ids)
    metrics.EXPIRED.inc(len(job_ids))
    _forget_snapshots(engine, {snapshot for _, snapshot in found if snapshot is not None})
    return len(job_ids)


def _delete_all(connection: Connection, delete_objects: DeleteObjects, keys: Sequence[str]) -> None:
    """Some at a time, with a word to the database between them: it ends an idle transaction."""
    for low in range(0, len(keys), _OBJECTS_AT_ONCE):
        delete_objects(keys[low : low + _OBJECTS_AT_ONCE])
        connection.execute(text("SELECT 1"))


def keep_retention(
    engine: Engine, delete_objects: DeleteObjects, stop: threading.Event, days: int, progress: Progress
) -> threading.Thread:
    """Start looking at once and hourly, in a thread of its own."""

    def delete(keys: Sequence[str]) -> None:
        progress.touch()
        delete_objects(keys)

    def loop() -> None:
        while not stop.is_set():
            progress.touch()
            try:
                removed = _remove_all(engine, delete, stop, days)
            except Exception as error:  # noqa: BLE001 - tried again soon
                _log.warning("retention_failed", **describe(error))
                progress.rest(stop, _RETRY)
                continue
            if removed:
                _log.info("jobs_expired", jobs=removed)
            progress.rest(stop, _HOUR)

    thread = threading.Thread(target=loop, name="retention", daemon=True)
    thread.start()
    return thread


def _remove_all(engine: Engine, delete_objects: DeleteObjects, stop: threading.Event, days: int) -> int:
    removed = 0
    while not stop.is_set() and (some := remove_some(engine, delete_objects, days)):
        removed += some
    return removed


def _is_over(days: int) -> ColumnElement[bool]:
    return and_(
        Job.finished_at.is_not(None),
        Job.finished_at < func.now() - timedelta(days=days),
        Job.status.in_(FINAL_JOB_STATUSES),
    )


def _forget_snapshots(engine: Engine, snapshot_ids: set[int]) -> None:
    try:
        with engine.begin() as connection:
            remove_snapshots(connection, snapshot_ids)
    except IntegrityError as error:  # a relaunch took one just now: they go with its job
        _log.info("snapshot_in_use", **describe(error))
