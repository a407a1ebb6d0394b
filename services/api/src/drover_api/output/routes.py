"""Routes of what runs put out: translation only."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Response

from drover_api.access.principal import current_principal
from drover_api.http.blueprint import PublicBlueprint
from drover_api.http.pages import page_schema
from drover_api.http.unit import session
from drover_api.jobs.queries import visible_run
from drover_api.live.answers import live_messages
from drover_api.live.requests import grant, last_id, wants_stream
from drover_api.output import lists
from drover_api.output.answers import AskedLog, log_answer
from drover_api.output.attempts import number_after
from drover_api.output.boards import boards
from drover_api.output.lines import Lines
from drover_api.output.live_log import job_log_live, run_log_live
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

blp = PublicBlueprint("output", "Events, host summaries and logs of jobs and their runs")


@blp.get("/jobs/<id:job_id>/events")
@blp.arguments(JobEventQuery, location="query")
@blp.response(HTTPStatus.OK, page_schema(EventSchema))
def list_job_events(args: dict[str, Any], job_id: int) -> Any:
    """Events of a job's current run (specification 2.7)

    With `Accept: text/event-stream` a live stream: `id` is the seq, `Last-Event-ID` resumes, and
    `event: end` ends it; too many live readers get 503 with `Retry-After`.
    """
    named = args.pop("job_run_id", None)
    run_id = run_of_job(session(), current_principal(), job_id, named)
    if not wants_stream():
        return lists.events(session(), run_id, args)
    if named is not None:
        return _live_run_events(named, job_id, args)
    found, last = boards(), last_id()
    return live_messages(lambda: job_event_stream(found, job_id, last, args), grant(job_id))


@blp.get("/job-runs/<uuid:run_id>/events")
@blp.arguments(EventQuery, location="query")
@blp.response(HTTPStatus.OK, page_schema(EventSchema))
def list_run_events(args: dict[str, Any], run_id: UUID) -> Any:
    """Events of one attempt; with `Accept: text/event-stream` live"""
    run = visible_run(session(), current_principal(), run_id)
    if wants_stream():
        return _live_run_events(run.id, run.job_id, args)
    return lists.events(session(), run.id, args)


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
    """The log of a job's current run, whole: `Range` for parts of it, `follow` while it grows

    With `Accept: text/event-stream` it is followed as server-sent events: `id` is the number of bytes told,
    `Last-Event-ID` resumes. A complete log has an `ETag` made of its SHA-256.
    """
    run_id = run_of_job(session(), current_principal(), job_id, None)
    kind, download, events = args["format"], args["download"], wants_stream()
    if events or args["follow"]:
        return job_log_live(job_id, run_id, kind, download=download, events=events)
    return log_answer(run_id, _asked(args))


@blp.get("/job-runs/<uuid:run_id>/log")
@blp.arguments(LogQuery, location="query")
@blp.response(HTTPStatus.OK, content_type="text/plain")
def get_run_log(args: dict[str, Any], run_id: UUID) -> Response:
    """The log of one attempt: as a job's"""
    run = visible_run(session(), current_principal(), run_id)
    kind, download, events = args["format"], args["download"], wants_stream()
    if events or args["follow"]:
        return run_log_live(run.job_id, run.id, kind, download=download, events=events)
    return log_answer(run.id, _asked(args))


def _asked(args: dict[str, Any]) -> AskedLog:
    some = "start_line" in args or "end_line" in args
    lines = Lines(args.get("start_line", 0), args.get("end_line")) if some else None
    return AskedLog(args["format"], lines, download=args["download"], presigned=args["presigned"])


def _live_run_events(run_id: UUID, job_id: int, args: dict[str, Any]) -> Response:
    found, last_seq = boards(), number_after(last_id(), 1, args.get("after_seq", 0))
    return live_messages(lambda: event_stream(found, run_id, last_seq, args), grant(job_id))
