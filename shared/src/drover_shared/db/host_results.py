"""How each host of a job ended, over all of its attempts, and host patterns made of that.

An attempt may be for fewer hosts than its job (`job_runs.limit`). A host's result is then that of the last
attempt that touched it, of those since the last one that was for all.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    Subquery,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from drover_shared.db.models import Job, JobHostSummary, JobRun
from drover_shared.db.transitions import Executes
from drover_shared.domain.retries import RetryHosts

# The counts of a summary (specification 2.5).
SUMMARY = (
    "hosts_total",
    "hosts_ok",
    "hosts_failed",
    "hosts_unreachable",
    "hosts_skipped",
    "hosts_changed",
)
_BAD = or_(JobHostSummary.failed > 0, JobHostSummary.unreachable > 0)


def job_results(current_runs: Iterable[UUID]) -> Subquery:
    """The columns of `JobHostSummary`, and `current_run_id`: one row a host of each job with such a run."""
    return _results(bindparam("current_runs", list(current_runs), expanding=True))


def _results(current_runs: BindParameter[Any]) -> Subquery:
    current, one, whole = aliased(JobRun), aliased(JobRun), aliased(JobRun)
    first = (
        select(func.max(whole.attempt_number))
        .where(
            whole.job_id == current.job_id,
            whole.attempt_number <= current.attempt_number,
            whole.limit.is_(None),
        )
        .scalar_subquery()
    )
    return (
        select(JobHostSummary, current.id.label("current_run_id"))
        .join(one, one.id == JobHostSummary.job_run_id)
        .join(current, current.job_id == one.job_id)
        .where(current.id.in_(current_runs), one.attempt_number.between(first, current.attempt_number))
        .ext(distinct_on(current.id, JobHostSummary.host))
        .order_by(current.id, JobHostSummary.host, one.attempt_number.desc())
        .subquery()
    )


def joined_results(current_runs: Iterable[UUID]) -> Subquery:
    """As `job_results`, of jobs with slices by their slices' current runs: `job_id` is the job with slices.

    A host that several slices touched, such as a localhost that no inventory names, has the sum.
    """
    return _joined(bindparam("current_runs", list(current_runs), expanding=True))


def _joined(current_runs: BindParameter[Any]) -> Subquery:
    of = _results(current_runs).c
    counts = ("ok", "changed", "failed", "skipped", "unreachable", "rescued", "ignored")
    return (
        select(
            # every column of the table, so that its entity can be read from here
            func.min(cast(of.job_run_id, Text)).cast(Uuid).label("job_run_id"),
            Job.sliced_job_id.label("job_id"),
            of.host,
            *(func.sum(getattr(of, name)).cast(Integer).label(name) for name in counts),
            func.max(of.last_event_at).label("last_event_at"),
            func.bool_and(of.final).label("final"),
        )
        .join(Job, Job.id == of.job_id)
        .group_by(Job.sliced_job_id, of.host)
        .subquery()
    )


def job_summaries(db: Executes, current_runs: Iterable[UUID]) -> dict[UUID, dict[str, int]]:
    """The job's summary (specification 2.5) by its current run, counted from `job_results`."""
    wanted = list(current_runs)
    if not wanted:
        return {}
    found = db.execute(_summaries(), {"current_runs": wanted}).mappings()
    return {row["current_run_id"]: {name: row[name] for name in SUMMARY} for row in found}


def joined_summaries(db: Executes, current_runs: Iterable[UUID]) -> dict[int, dict[str, int]]:
    """The summary of jobs with slices by their id, counted from `joined_results`."""
    wanted = list(current_runs)
    if not wanted:
        return {}
    found = db.execute(_joined_summaries(), {"current_runs": wanted}).mappings()
    return {row["job_id"]: {name: row[name] for name in SUMMARY} for row in found}


@cache
def _summaries() -> Select[Any]:
    """Made once: to build it takes longer than to run it."""
    of = _results(bindparam("current_runs", expanding=True)).c
    return select(of.current_run_id, *_counted(of)).group_by(of.current_run_id)


@cache
def _joined_summaries() -> Select[Any]:
    of = _joined(bindparam("current_runs", expanding=True)).c
    return select(of.job_id, *_counted(of)).group_by(of.job_id)


def _counted(of: Any) -> list[ColumnElement[int]]:
    good = or_(of.ok > 0, of.rescued > 0)
    well = and_(of.unreachable == 0, of.failed == 0)
    counted = {
        "hosts_total": true(),
        "hosts_ok": and_(well, good),
        "hosts_failed": and_(of.unreachable == 0, of.failed > 0),
        "hosts_unreachable": of.unreachable > 0,
        "hosts_skipped": and_(well, ~good),
        "hosts_changed": of.changed > 0,
    }
    return [func.count().filter(counted[name]).label(name) for name in SUMMARY]


def narrowed(db: Executes, ended: UUID, limit: str | None, hosts: str) -> str | None:
    """The limit for an attempt after `ended`, all of whose events are stored, which had `limit`.

    `hosts` as in `RetryHosts`. Unchanged where no host failed: what went wrong was not a host's doing. Where
    Ansible's recap is missing it is not known who ended well, so nobody is left out.
    """
    bad = _hosts(db, ended, _BAD)
    if not bad or hosts == RetryHosts.ALL:
        return limit
    if hosts == RetryHosts.FAILED:
        return ",".join(bad)
    good = _hosts(db, ended, and_(JobHostSummary.final, ~_BAD))
    return without(limit, good) if good else limit


def without(limit: str | None, hosts: list[str]) -> str:
    """An Ansible host pattern: as `limit`, but for `hosts`."""
    return ",".join([limit or "all", *(f"!{host}" for host in hosts)])


def _hosts(db: Executes, run_id: UUID, condition: ColumnElement[bool]) -> list[str]:
    return list(
        db.scalars(
            select(JobHostSummary.host)
            .where(JobHostSummary.job_run_id == run_id, condition)
            .order_by(JobHostSummary.host)
        )
    )
