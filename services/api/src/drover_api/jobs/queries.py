"""Which jobs and runs a principal sees."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drover_shared.db.models import Job, JobHostSummary, JobRun
from drover_shared.domain.errors import NotFoundError
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session, load_only

from drover_api.access.allowed import visible
from drover_api.access.job_lists import seen_jobs
from drover_api.access.principal import Principal
from drover_api.http.fields import instance
from drover_api.http.pages import PAGE_FIELDS, Orders, contains, paginate
from drover_api.jobs.schemas import JobSchema

ORDERS: Orders = {
    "id": Job.id,
    "name": Job.name,
    "status": Job.status,
    "created_at": Job.created_at,
    "started_at": Job.started_at,
    "finished_at": Job.finished_at,
    "priority": Job.priority,
}
NEWEST_FIRST = "-id"
# What a list tells of a job. Its variables and artifacts, which may be large, are not even read.
LISTED = [*(name for name in instance(JobSchema).fields if name in Job.__table__.c), "launched_by_id"]
_LISTED = load_only(*(getattr(Job, name) for name in LISTED), raiseload=True)
_EQUAL = {
    "kind": Job.kind,
    "job_template_id": Job.job_template_id,
    "inventory_id": Job.inventory_id,
    "project_id": Job.project_id,
    "launched_by": Job.launched_by_id,
    "cancel_requested": Job.cancel_requested,
    "sliced_job_id": Job.sliced_job_id,
}


def page(db: Session, principal: Principal, filters: Mapping[str, Any]) -> dict[str, Any]:
    """One page of the visible jobs that `filters` (of `JobQuery`) leave, newest first."""
    seen = seen_jobs(db, principal)
    narrowed = [name for name in filters if name not in PAGE_FIELDS and name != "kind"]
    total = None if narrowed else seen.count(db, filters["kind"])
    return paginate(db, _jobs(seen.condition, filters), filters, ORDERS, NEWEST_FIRST, total)


def _jobs(seen: ColumnElement[bool], filters: Mapping[str, Any]) -> Select[Any]:
    query = select(Job).where(seen).options(_LISTED)
    for name, column in _EQUAL.items():
        if name in filters:
            query = query.where(column == filters[name])
    if "status" in filters:
        query = query.where(Job.status.in_(filters["status"]))
    if "name" in filters:
        query = query.where(contains(Job.name, filters["name"]))
    if "host" in filters:
        # By the host first: there is an index of hosts, and none of a job's attempts' hosts.
        query = query.where(
            Job.id.in_(select(JobHostSummary.job_id).where(JobHostSummary.host == filters["host"]))
        )
    return _between(query, filters)


def _between(query: Select[Any], filters: Mapping[str, Any]) -> Select[Any]:
    """`…_after` is inclusive, `…_before` is not, so that neighbouring ranges never overlap."""
    for name, column in (("created", Job.created_at), ("finished", Job.finished_at)):
        if f"{name}_after" in filters:
            query = query.where(column >= filters[f"{name}_after"])
        if f"{name}_before" in filters:
            query = query.where(column < filters[f"{name}_before"])
    return query


def visible_run(session: Session, principal: Principal, run_id: UUID) -> JobRun:
    """A run of a visible job; raises NotFoundError."""
    run = session.scalars(
        select(JobRun).join(Job, Job.id == JobRun.job_id).where(JobRun.id == run_id, visible(Job, principal))
    ).one_or_none()
    if run is None:
        raise NotFoundError(f"job run {run_id} does not exist or is not visible")
    return run
