"""Routes of what runs put out: translation only."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Response, request

from drover_api.access.principal import current_principal
from drover_api.http.blueprint import PublicBlueprint
from drover_api.http.pages import page_schema
from drover_api.http.unit import session
from drover_api.jobs.queries import visible_run
from drover_api.output import lists
from drover_api.output.answers import live, live_source, log_answer
from drover_api.output.runs import run_of_job
from drover_api.output.schemas import (
    EventQuery,
    EventSchema,
    HostSummaryQuery,
    HostSummarySchema,
    JobEventQuery,
    LogChunkSchema,
    LogQuery,
    SeqQuery,
)
from drover_api.output.sse import event_stream, job_event_stream

EVENT_STREAM = "text/event-stream"
_DIGITS = 18  # of a seq; more is no seq

blp = PublicBlueprint("output", "Events, host summaries and logs of jobs and their runs")


@blp.get("/jobs/<id:job_id>/events")
@blp.arguments(JobEventQuery, location="query")
@blp.response(HTTPStatus.OK, page_schema(EventSchema))
def list_job_events(args: dict[str, Any], job_id: int) -> Any:
    """Events of a job's current run (specification 2.7)

    With `Accept: text/event-stream` a live stream: `id` is the seq, `Last-Event-ID` resumes, and
    `event: end` ends it; too many live readers get 503 with `Retry-After`.
    """
    run_id = run_of_job(session(), current_principal(), job_id, args.pop("job_run_id", None))
    if not _wants_stream():
        return lists.events(session(), run_id, args)
    if run_id is not None:
        return _live_events(run_id, args)
    source, last = live_source(), _last_seq(args)
    return live(lambda: job_event_stream(source, job_id, last, args), EVENT_STREAM)


@blp.get("/job-runs/<uuid:run_id>/events")
@blp.arguments(EventQuery, location="query")
@blp.response(HTTPStatus.OK, page_schema(EventSchema))
def list_run_events(args: dict[str, Any], run_id: UUID) -> Any:
    """Events of one attempt; with `Accept: text/event-stream` live"""
    run = visible_run(session(), current_principal(), run_id)
    return _live_events(run.id, args) if _wants_stream() else lists.events(session(), run.id, args)


@blp.get("/jobs/<id:job_id>/host-summaries")
@blp.arguments(HostSummaryQuery, location="query")
@blp.response(HTTPStatus.OK, page_schema(HostSummarySchema))
def list_job_host_summaries(args: dict[str, Any], job_id: int) -> Any:
    """What happened on each host (specification 2.8)

    In the job's current run; where that is for some hosts only, the others' results are of the run before.
    """
    chosen = args.pop("job_run_id", None)
    run_id = run_of_job(session(), current_principal(), job_id, chosen)
    return lists.host_summaries(session(), run_id, args, of_job=chosen is None)


@blp.get("/job-runs/<uuid:run_id>/log-chunks")
@blp.arguments(SeqQuery, location="query")
@blp.response(HTTPStatus.OK, page_schema(LogChunkSchema))
def list_run_log_chunks(args: dict[str, Any], run_id: UUID) -> Any:
    """The stored pieces of a run's log (specification 2.9)"""
    run = visible_run(session(), current_principal(), run_id)
    return lists.chunks(session(), run.id, args)


@blp.get("/jobs/<id:job_id>/log")
@blp.arguments(LogQuery, location="query")
@blp.response(HTTPStatus.OK, content_type="text/plain")
def get_job_log(args: dict[str, Any], job_id: int) -> Response:
    """The log of a job's current run, whole: `Range` for parts of it, `follow` while it grows"""
    run_id = run_of_job(session(), current_principal(), job_id, None)
    return log_answer(run_id, args["format"], download=args["download"], follow=args["follow"])


@blp.get("/job-runs/<uuid:run_id>/log")
@blp.arguments(LogQuery, location="query")
@blp.response(HTTPStatus.OK, content_type="text/plain")
def get_run_log(args: dict[str, Any], run_id: UUID) -> Response:
    """The log of one attempt, whole: `Range` for parts of it, `follow` while it grows"""
    run = visible_run(session(), current_principal(), run_id)
    return log_answer(run.id, args["format"], download=args["download"], follow=args["follow"])


def _wants_stream() -> bool:
    return EVENT_STREAM in request.accept_mimetypes.values()


def _last_seq(args: dict[str, Any]) -> int:
    given = request.headers.get("Last-Event-ID", "")
    if given.isascii() and given.isdigit() and len(given) <= _DIGITS:
        return int(given)
    return int(args.get("after_seq", 0))


def _live_events(run_id: UUID, args: dict[str, Any]) -> Response:
    source, last = live_source(), _last_seq(args)
    return live(lambda: event_stream(source, run_id, last, args), EVENT_STREAM)
