"""Pages of what the slices of a job put out, one slice after the other.

An event's `seq` is its number in the job (`domain.slices`), so that a page goes on after the last one read,
as in a job without slices. `job_id` and `job_run_id` are its slice's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from drover_shared.db.host_results import joined_results
from drover_shared.db.models import JobEvent, JobHostSummary, RunEventProgress
from drover_shared.domain.slices import joined_seq, split_seq
from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from drover_api.entities import columns
from drover_api.http.pages import add_links
from drover_api.jobs.slices import Slice
from drover_api.output import lists


@dataclass(frozen=True, slots=True)
class Part:
    """What is asked of one slice's run: events behind `after`, with the filters in its own numbers."""

    number: int
    run_id: UUID
    after: int
    filters: Mapping[str, Any]


def parts_of(slices: Sequence[Slice], args: Mapping[str, Any]) -> list[Part]:
    """The runs in which events may be that `args`, in the job's numbers, ask for."""
    first, after = split_seq(args.get("after_seq", 0))
    filters = {name: args[name] for name in lists.FILTERS if name in args}
    below = None
    if "parent_seq" in filters:
        below, filters["parent_seq"] = split_seq(filters["parent_seq"])
    return [
        Part(one.slice_number, one.run_id, after if one.slice_number == first else 0, filters)
        for one in slices
        if one.run_id is not None and one.slice_number >= first and below in (None, one.slice_number)
    ]


def events(session: Session, slices: Sequence[Slice], args: Mapping[str, Any]) -> lists.Page:
    """A page of a job's events; only the slices on it are read."""
    parts = parts_of(slices, args)
    counts = _counts(session, parts)
    limit, skip = args["limit"], args["offset"]
    items: list[dict[str, Any]] = []
    for part in parts:
        count = counts.get(part.run_id, 0)
        if skip >= count:
            skip -= count
        elif len(items) < limit:
            query = lists.filtered_events(part.run_id, part.filters).where(JobEvent.seq > part.after)
            rows = session.scalars(query.order_by(JobEvent.seq).offset(skip).limit(limit - len(items)))
            items += [{**columns(row), "seq": joined_seq(part.number, row.seq)} for row in rows]
            skip = 0
    total = sum(counts.values())
    add_links(total, limit, args["offset"])
    return {"items": items, "total": total, "limit": limit, "offset": args["offset"]}


def host_summaries(session: Session, slices: Sequence[Slice], args: Mapping[str, Any]) -> lists.Page:
    """A page of a job's host summaries: one a host, whichever slices touched it."""
    runs = [one.run_id for one in slices if one.run_id is not None]
    if not runs:
        return lists.empty(args)
    of = aliased(JobHostSummary, joined_results(runs), adapt_on_names=True)
    return lists.summaries(session, select(of), of, args)


def _counts(session: Session, parts: Sequence[Part]) -> dict[UUID, int]:
    """How many events each part has: two queries, however many parts."""
    if not parts:
        return {}
    whole = [part for part in parts if not part.after]
    counts = _whole_counts(session, whole)
    for part in parts:
        if part.after:
            query = lists.filtered_events(part.run_id, part.filters).where(JobEvent.seq > part.after)
            counted = select(func.count()).select_from(query.subquery())
            counts[part.run_id] = session.scalar(counted) or 0
    return counts


def _whole_counts(session: Session, parts: Sequence[Part]) -> dict[UUID, int]:
    if not parts:
        return {}
    runs, filters = [part.run_id for part in parts], parts[0].filters
    if "parent_seq" in filters:  # there is one part then
        query = lists.filtered_events(runs[0], filters)
        return {runs[0]: session.scalar(select(func.count()).select_from(query.subquery())) or 0}
    if not filters:
        known = select(RunEventProgress.job_run_id, RunEventProgress.events)
        rows = session.execute(known.where(RunEventProgress.job_run_id.in_(runs)))
    else:
        counted = select(JobEvent.job_run_id, func.count()).group_by(JobEvent.job_run_id)
        rows = session.execute(counted.where(JobEvent.job_run_id.in_(runs), *lists.conditions(filters)))
    return {run_id: int(count) for run_id, count in rows}
