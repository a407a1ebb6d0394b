"""The end of a project's sync: the project keeps what it found, and the jobs that wait for it go on or end.

A sync is a job of kind `project_sync`. The API settles one with the `finish` of its executor; the scheduler's
tick settles those that ended otherwise, and again for jobs that came to wait at that very moment. Settling
twice changes nothing.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, cast, delete, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session

from drover_shared.db.models import Job, Project, ProjectContent
from drover_shared.db.transitions import move_job
from drover_shared.domain.reasons import Reason
from drover_shared.domain.states import FINAL_JOB_STATUSES, JobKind, JobStatus

MAX_PLAYBOOKS = 10_000
_REVISION = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_PLAIN = {"synchronize_session": False}
_SYNC = select(
    Job.id,
    Job.status,
    Job.project_id,
    Job.project,
    Job.started_at,
    Job.artifacts,
    Job.error_reason,
    Job.error_detail,
).where(Job.id == bindparam("of_job"), Job.kind == JobKind.PROJECT_SYNC)

Executes = Connection | Session


def settle(db: Executes, sync_id: int) -> list[int]:
    """Let the jobs that wait for an ended sync go on, or end them too; nothing while it is live.

    Returns one job for each pool that has work now. A waiting job whose row somebody else holds is left for
    the next time.
    """
    sync = db.execute(_SYNC, {"of_job": sync_id}).one_or_none()
    if sync is None or sync.status not in FINAL_JOB_STATUSES:
        return []
    if sync.status == JobStatus.SUCCESSFUL:
        _keep(db, sync)
        return _release(db, sync)
    _end_waiting(db, sync)
    return []


def unsettled(db: Executes, limit: int) -> list[int]:
    """Ended syncs that jobs still wait for."""
    return [one for one in db.execute(_unsettled(), {"at_most": limit}).scalars() if one is not None]


@cache
def _unsettled() -> Select[int | None]:
    sync = select(Job.id).where(Job.status.in_(FINAL_JOB_STATUSES)).subquery()
    return (
        select(Job.waits_for_job_id)
        .join(sync, sync.c.id == Job.waits_for_job_id)
        .where(Job.status == JobStatus.PENDING, Job.waits_for_job_id.is_not(None))
        .distinct()
        .limit(bindparam("at_most"))
    )


def revision_of(sync: Row[Any]) -> str | None:
    """The commit that a successful sync found; None for a local project."""
    found = sync.artifacts.get("scm_revision")
    return found if isinstance(found, str) and _REVISION.match(found) else None


def _keep(db: Executes, sync: Row[Any]) -> None:
    """Where the project still names the same source, and no later sync was faster."""
    source: Mapping[str, Any] = sync.project
    kept = db.execute(
        update(Project)
        .where(
            Project.id == sync.project_id,
            *(getattr(Project, name) == source[name] for name in ("scm_type", "scm_url", "scm_branch")),
            or_(Project.synced_at.is_(None), Project.synced_at <= sync.started_at),
        )
        .values(scm_revision=revision_of(sync), synced_at=sync.started_at, modified_at=Project.modified_at)
        .returning(Project.id)
        .execution_options(**_PLAIN)
    ).first()
    if kept is None:
        return
    listed = sync.artifacts.get("playbooks")
    playbooks = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
    values = {
        "playbooks": playbooks[:MAX_PLAYBOOKS],
        "truncated": bool(sync.artifacts.get("truncated")) or len(playbooks) > MAX_PLAYBOOKS,
    }
    statement = insert(ProjectContent).values(project_id=sync.project_id, **values)
    db.execute(statement.on_conflict_do_update(index_elements=["project_id"], set_=values))


def forget(db: Executes, project_id: int) -> None:
    """The project names another source now: what was found in the old one is nothing any more."""
    db.execute(
        delete(ProjectContent).where(ProjectContent.project_id == project_id), execution_options=_PLAIN
    )


def _release(db: Executes, sync: Row[Any]) -> list[int]:
    pinned = cast({"scm_revision": revision_of(sync)}, JSONB)
    rows = db.execute(
        update(Job)
        .where(Job.id.in_(_waiting(sync.id)), Job.status == JobStatus.PENDING)
        .values(waits_for_job_id=None, project=Job.project.op("||")(pinned))
        .returning(Job.id, Job.executor_pool)
        .execution_options(**_PLAIN)
    )
    return list({pool: job_id for job_id, pool in rows}.values())


def _end_waiting(db: Executes, sync: Row[Any]) -> None:
    told: dict[str, Any] = {
        "error_reason": sync.error_reason or Reason.PROJECT_INVALID,
        "error_detail": f"The sync of its project (job {sync.id}) failed: {sync.error_detail or sync.status}",
    }
    target = JobStatus.ERROR
    if sync.status == JobStatus.CANCELED:
        target = JobStatus.CANCELED
        told = {
            "error_reason": Reason.CANCELED,
            "error_detail": f"The sync of its project (job {sync.id}) was canceled.",
        }
    for job_id in db.execute(_waiting(sync.id)).scalars().all():
        move_job(db, job_id, target, waits_for_job_id=None, **told)


def _waiting(sync_id: int) -> Any:
    return (
        select(Job.id)
        .where(Job.waits_for_job_id == sync_id, Job.status == JobStatus.PENDING)
        .order_by(Job.id)
        .with_for_update(skip_locked=True)
    )
