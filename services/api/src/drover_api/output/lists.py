"""Pages of events, host summaries and log chunks of one run."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drover_shared.db.host_results import job_results
from drover_shared.db.models import JobEvent, JobHostSummary, LogChunkRow, RunEventProgress
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, aliased

from drover_api.http.pages import add_links, paginate
from drover_api.output.children import is_child

Page = dict[str, Any]
EQUAL_FILTERS = ("host", "task_name", "changed", "failed")
FILTERS = (*EQUAL_FILTERS, "event_type", "parent_seq")


def filtered_events(run_id: UUID, filters: Mapping[str, Any]) -> Select[Any]:
    """The events of a run that the filters leave, without an order."""
    query = select(JobEvent).where(JobEvent.job_run_id == run_id, *conditions(filters))
    return query.where(is_child(run_id, filters["parent_seq"])) if "parent_seq" in filters else query


def conditions(filters: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """What the filters ask of an event by itself: all of them but `parent_seq`."""
    asked = [getattr(JobEvent, name) == filters[name] for name in EQUAL_FILTERS if name in filters]
    if "event_type" in filters:
        asked.append(JobEvent.event_type.in_(filters["event_type"]))
    return asked


def events(session: Session, run_id: UUID | None, args: Mapping[str, Any]) -> Page:
    """A page of a run's events in the order of their seq."""
    if run_id is None:
        return empty(args)
    query = filtered_events(run_id, args)
    known = None if any(name in args for name in FILTERS) else _known_total(session, run_id, args)
    return _numbered(session, query, JobEvent, args, known)


def chunks(session: Session, run_id: UUID, args: Mapping[str, Any]) -> Page:
    """A page of a run's stored log chunks in the order of their seq."""
    query = select(LogChunkRow).where(LogChunkRow.job_run_id == run_id)
    return _numbered(session, query, LogChunkRow, args, None)


def host_summaries(
    session: Session, run_id: UUID | None, args: Mapping[str, Any], *, of_job: bool = False
) -> Page:
    """A page of a run's host summaries, by host.

    `of_job`: of the job whose current run it is, where attempts on fewer hosts add to those before them.
    """
    if run_id is None:
        return empty(args)
    if of_job:
        of = aliased(JobHostSummary, job_results([run_id]))
        return summaries(session, select(of), of, args)
    return summaries(
        session, select(JobHostSummary).where(JobHostSummary.job_run_id == run_id), JobHostSummary, args
    )


def summaries(session: Session, query: Select[Any], of: Any, args: Mapping[str, Any]) -> Page:
    """A page of `query`, which reads the host summaries `of`, by host."""
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


def _known_total(session: Session, run_id: UUID, args: Mapping[str, Any]) -> int | None:
    """How many events the run has after `after_seq`, from its progress; None where they must be counted."""
    after = args.get("after_seq", 0)
    contiguous = RunEventProgress.received == func.int8multirange(
        func.int8range(1, RunEventProgress.events + 1)
    )
    found = session.execute(
        select(RunEventProgress.events, contiguous).where(RunEventProgress.job_run_id == run_id)
    ).one_or_none()
    if found is None:
        return None
    total, whole = found
    return int(total) if after <= 0 else max(0, int(total) - after) if whole else None


def _numbered(
    session: Session, query: Select[Any], table: Any, args: Mapping[str, Any], known_total: int | None
) -> Page:
    """`total` counts what the filters leave after `after_seq`."""
    limit, offset = args["limit"], args["offset"]
    if "after_seq" in args:
        query = query.where(table.seq > args["after_seq"])
    items = session.scalars(query.order_by(table.seq).limit(limit).offset(offset)).all()
    total = known_total
    if total is None or not items:  # none at all: they may have been dropped since they were counted
        total = session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    add_links(total, limit, offset)
    return {"items": items, "total": total, "limit": limit, "offset": offset}
