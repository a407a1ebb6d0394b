"""Pages of events, host summaries and log chunks of one run."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drover_shared.db.host_results import job_results
from drover_shared.db.models import JobEvent, JobHostSummary, LogChunkRow
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from drover_api.http.pages import add_links, paginate

Page = dict[str, Any]


def filtered_events(run_id: UUID, filters: Mapping[str, Any]) -> Select[Any]:
    """The events of a run that the filters leave, without an order."""
    query = select(JobEvent).where(JobEvent.job_run_id == run_id)
    for name in ("host", "task_name", "changed", "failed"):
        if name in filters:
            query = query.where(getattr(JobEvent, name) == filters[name])
    if "event_type" in filters:
        query = query.where(JobEvent.event_type.in_(filters["event_type"]))
    return query


def events(session: Session, run_id: UUID | None, args: Mapping[str, Any]) -> Page:
    """A page of a run's events in the order of their seq."""
    return (
        empty(args) if run_id is None else _numbered(session, filtered_events(run_id, args), JobEvent, args)
    )


def chunks(session: Session, run_id: UUID, args: Mapping[str, Any]) -> Page:
    """A page of a run's stored log chunks in the order of their seq."""
    query = select(LogChunkRow).where(LogChunkRow.job_run_id == run_id)
    return _numbered(session, query, LogChunkRow, args)


def host_summaries(
    session: Session, run_id: UUID | None, args: Mapping[str, Any], *, of_job: bool = False
) -> Page:
    """A page of a run's host summaries, by host.

    `of_job`: of the job whose current run it is, where attempts on fewer hosts add to those before them.
    """
    if run_id is None:
        return empty(args)
    of = aliased(JobHostSummary, job_results([run_id])) if of_job else JobHostSummary
    query = select(of) if of_job else select(of).where(of.job_run_id == run_id)
    if "outcome" in args:
        query = query.where(getattr(of, args["outcome"]) > 0)
    if "host" in args:
        query = query.where(of.host == args["host"])
    names = ("host", "ok", "changed", "failed", "skipped", "unreachable", "last_event_at")
    orders = {name: getattr(of, name) for name in names}
    return paginate(session, query, args, orders, "host")


def empty(args: Mapping[str, Any]) -> Page:
    """The page of a job that has no attempt yet."""
    add_links(0, args["limit"], args["offset"])
    return {"items": [], "total": 0, "limit": args["limit"], "offset": args["offset"]}


def _numbered(session: Session, query: Select[Any], table: Any, args: Mapping[str, Any]) -> Page:
    """`total` counts what the filters leave after `after_seq`."""
    limit, offset = args["limit"], args["offset"]
    if "after_seq" in args:
        query = query.where(table.seq > args["after_seq"])
    total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    found = query.order_by(table.seq).limit(limit).offset(offset)
    items = session.scalars(found).all() if offset < total else []
    add_links(total, limit, offset)
    return {"items": items, "total": total, "limit": limit, "offset": offset}
