"""Syncs of projects: asked for by people, or by launches of projects with `update_on_launch`.

A sync is a job of its own kind, so that it is claimed, leased, tried again and canceled as any other. One
that has not begun to look is shared by all who want the same source; `project_syncs.settle` keeps what it
finds.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from drover_shared.db.credential_snapshots import freeze
from drover_shared.db.models import Job, Project
from drover_shared.domain.states import JobKind, JobStatus
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.jobs.resolve import frozen_project

PRIORITY = 1000  # as high as a template's may be: it is short, and others wait for it
_TRIES = 10
_WAITS = (JobStatus.PENDING, JobStatus.QUEUED)
_LIVE = (*_WAITS, JobStatus.RUNNING)


def sync(session: Session, principal: Principal, project: Project) -> Job:
    """The project's next sync: one that waits already, or a new one."""
    return session.get_one(Job, _next_sync(session, principal, project, "manual", _unbegun()))


def update_before(session: Session, principal: Principal, jobs: Iterable[tuple[Job, Project]]) -> None:
    """Let new jobs wait for a sync where their project wants it, or run what its last sync found.

    Jobs with slices wait also where there was no sync yet, for all of their slices run one commit.

    Projects are taken in order, so that two launches that want the same two syncs do not wait for each other.
    """
    by_project: dict[int, tuple[Project, list[Job]]] = {}
    for job, project in jobs:
        by_project.setdefault(project.id, (project, []))[1].append(job)
    for _, (project, launched) in sorted(by_project.items()):
        waiting = launched
        if project.scm_type != "git":
            continue
        if not project.update_on_launch or _is_fresh(session, project):
            _pin(waiting, project.scm_revision)
            waiting = [job for job in waiting if job.slice_count > 1 and project.scm_revision is None]
        if not waiting:
            continue
        begun = _begun_within(project.cache_timeout_seconds)
        sync_id = _next_sync(session, principal, project, "dependency", or_(_unbegun(), begun))
        for job in waiting:
            job.waits_for_job_id = sync_id


def last_syncs(session: Session, project_ids: Iterable[int]) -> dict[int, Job]:
    """The newest sync of each project, in one query."""
    newest = (
        select(Job)
        .where(Job.kind == JobKind.PROJECT_SYNC, Job.project_id.in_(list(project_ids)))
        .ext(distinct_on(Job.project_id))
        .order_by(Job.project_id, Job.id.desc())
    )
    return {job.project_id: job for job in session.scalars(newest)}


def _pin(jobs: Iterable[Job], revision: str | None) -> None:
    for job in jobs:
        job.project = {**job.project, "scm_revision": revision}


def _is_fresh(session: Session, project: Project) -> bool:
    """Whether the last sync began to look within the project's cache time-out."""
    if project.scm_revision is None or project.synced_at is None or not project.cache_timeout_seconds:
        return False
    now: datetime = session.scalars(select(func.now())).one()
    return project.synced_at > now - timedelta(seconds=project.cache_timeout_seconds)


def _unbegun() -> ColumnElement[bool]:
    return and_(Job.status.in_(_WAITS), Job.started_at.is_(None))


def _begun_within(seconds: int) -> ColumnElement[bool]:
    """A sync that runs has perhaps looked already: it serves whom the cache time-out allows to take that."""
    return and_(Job.status.in_(_LIVE), Job.started_at > func.now() - timedelta(seconds=seconds))


def _next_sync(
    session: Session, principal: Principal, project: Project, launch_type: str, usable: ColumnElement[bool]
) -> int:
    """The id of a usable live sync of the project as it is now, else of a new one.

    Where somebody else makes one at the same moment, this waits for their commit and takes theirs.
    """
    values = _values(session, principal, project, launch_type)
    found = select(Job.id).where(
        Job.kind == JobKind.PROJECT_SYNC,
        Job.project_id == project.id,
        Job.project == values["project"],
        Job.cancel_requested.is_(False),
        usable,
    )
    for _ in range(_TRIES):
        known = session.scalars(found.order_by(Job.id.desc()).limit(1)).first()
        if known is not None:
            return known
        made = session.scalars(
            insert(Job).values(**values).on_conflict_do_nothing().returning(Job.id)
        ).first()
        if made is not None:
            return made
    raise RuntimeError(f"no sync of project {project.id} could be made or found")


def _values(session: Session, principal: Principal, project: Project, launch_type: str) -> dict[str, Any]:
    return {
        "kind": JobKind.PROJECT_SYNC,
        "name": f"Sync of {project.name}",
        "organization_id": project.organization_id,
        "project_id": project.id,
        "project": frozen_project(project) | {"scm_revision": None},
        "credential_snapshot_ids": freeze(session, [project.credential_id] if project.credential_id else []),
        "inventory_id": 0,
        "playbook": "",
        "launched_by_id": principal.user_id,
        "launch_type": launch_type,
        "allow_simultaneous": True,
        "executor_pool": project.executor_pool,
        "priority": PRIORITY,
    }
