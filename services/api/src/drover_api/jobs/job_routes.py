"""Routes of jobs that exist, and of their runs."""

from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from drover_shared.db.models import Job, JobRun
from drover_shared.domain.states import JobStatus
from flask import Response
from sqlalchemy import select

from drover_api.access.principal import current_principal
from drover_api.access.require import find
from drover_api.access.roles import ADMIN, READ
from drover_api.deps import deps
from drover_api.http.blueprint import PublicBlueprint
from drover_api.http.etags import check_if_match, detail
from drover_api.http.fields import instance
from drover_api.http.pages import Orders, PageQuery, page_schema, paginate
from drover_api.http.unit import after_commit, session
from drover_api.jobs import queries
from drover_api.jobs.after import ring_scheduler
from drover_api.jobs.cancel import cancel
from drover_api.jobs.delete import delete
from drover_api.jobs.pending import pending_reason
from drover_api.jobs.schemas import JobDetailSchema, JobQuery, JobSchema, RunSchema
from drover_api.jobs.slices import is_split
from drover_api.jobs.views import job_documents, run_documents
from drover_api.jobs.watch import job_stream
from drover_api.live.answers import live_messages
from drover_api.live.requests import grant, last_id, wants_stream
from drover_api.output.boards import boards

_BY_SLICE = Job.slice_number.op("*")(2**31) + JobRun.attempt_number  # each slice's attempts in their order

blp = PublicBlueprint("jobs", "Jobs and their run attempts")


@blp.get("/jobs")
@blp.arguments(JobQuery, location="query")
@blp.response(HTTPStatus.OK, page_schema(JobSchema))
def list_jobs(filters: dict[str, Any]) -> dict[str, Any]:
    """The visible jobs, newest first"""
    page = queries.page(session(), current_principal(), filters)
    return page | {"items": job_documents(session(), page["items"], names=queries.LISTED)}


@blp.get("/jobs/<id:job_id>")
@blp.response(HTTPStatus.OK, JobDetailSchema)
def get_job(job_id: int) -> Response:
    """A job (specification 2.5), with the reason while it waits

    With `Accept: text/event-stream` a live stream: the job at each change as `event: job`, whose `id` is its
    ETag (`Last-Event-ID` resumes), and `event: end` once it is over and its output is stored.
    """
    job = find(session(), Job, current_principal(), READ, job_id)
    if wants_stream():
        board, last = boards().jobs, last_id()
        return live_messages(lambda: job_stream(board, job_id, last), grant(job_id))
    return detail(instance(JobDetailSchema), _document(job))


@blp.post("/jobs/<id:job_id>/cancel")
@blp.response(HTTPStatus.ACCEPTED, JobDetailSchema)
def cancel_job(job_id: int) -> Response:
    """Cancel a job: at once while it waits, else by its executor, which learns of it at its next heartbeat

    A job with slices is canceled with all of them.
    """
    job, asked = cancel(session(), current_principal(), job_id)
    rings = deps().rings
    for run_id in [one.current_run_id for one in asked if one.current_run_id is not None]:
        after_commit(partial(rings.state_changed, run_id))
    if any(one.status == JobStatus.CANCELED for one in asked):
        ring_scheduler(job.id)
    return detail(instance(JobDetailSchema), _document(job), HTTPStatus.ACCEPTED)


@blp.delete("/jobs/<id:job_id>")
@blp.response(HTTPStatus.NO_CONTENT)
def delete_job(job_id: int) -> None:
    """Delete a finished job with its slices, runs, events, host summaries and log

    A slice goes with the job it is of, and not alone (409).
    """
    job = find(session(), Job, current_principal(), ADMIN, job_id)
    check_if_match(instance(JobDetailSchema).dump(_document(job)))
    delete(session(), current_principal(), job_id, deps().objects.delete_many)


@blp.get("/jobs/<id:job_id>/runs")
@blp.arguments(PageQuery, location="query")
@blp.response(HTTPStatus.OK, page_schema(RunSchema))
def list_job_runs(args: dict[str, Any], job_id: int) -> dict[str, Any]:
    """Every attempt at a job, first to last; of a job with slices those of each slice in turn"""
    job: Job = find(session(), Job, current_principal(), READ, job_id)
    query = select(JobRun).join(Job, Job.id == JobRun.job_id)
    orders: Orders = {"attempt_number": JobRun.attempt_number, "created_at": JobRun.created_at}
    default = "attempt_number"
    if is_split(job):
        query = query.where(Job.sliced_job_id == job_id)
        orders = {"id": JobRun.id, **orders, "slice_number": _BY_SLICE}
        default = "slice_number"
    else:
        query = query.where(Job.id == job_id)
    page = paginate(session(), query, args, orders, default)
    return page | {"items": run_documents(session(), page["items"])}


@blp.get("/job-runs/<uuid:run_id>")
@blp.response(HTTPStatus.OK, RunSchema)
def get_job_run(run_id: UUID) -> Response:
    """One attempt (specification 2.6)"""
    run = queries.visible_run(session(), current_principal(), run_id)
    return detail(instance(RunSchema), run_documents(session(), [run])[0])


def _document(job: Job) -> dict[str, Any]:
    return job_documents(session(), [job])[0] | {"pending_reason": pending_reason(session(), job)}
