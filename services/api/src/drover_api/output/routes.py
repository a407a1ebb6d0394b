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
from drover_api.output import joined, lists
from drover_api.output.answers import AskedLog, file_name, log_answer
from drover_api.output.attempts import number_after
from drover_api.output.boards import boards
from drover_api.output.joined_streams import joined_event_stream
from drover_api.output.known_log import known_log_of
from drover_api.output.lines import Lines
from drover_api.output.live_log import job_log_live, run_log_live
from drover_api.output.runs import OutputOf, output_of_job
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
    `event: end` ends it; too many live readers get 503 with `Retry-After`. Of a job with slices all events of
    the first, then of the second, and so on: `seq` is (slice number - 1) times 2^40 plus its own.
    """
    named = args.pop("job_run_id", None)
    output = output_of_job(session(), current_principal(), job_id, named)
    if not wants_stream():
        if output.slices is not None:
            return joined.events(session(), output.slices, args)
        return lists.events(session(), output.run_id, args)
    if named is not None:
        return _live_run_events(named, job_id, args)
    found, last = boards(), last_id()
    stream = job_event_stream if output.slices is None else joined_event_stream
    return live_messages(lambda: stream(found, job_id, last, args), grant(job_id))


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

    In the job's current run; where that is for some hosts only, the others' results are of the run before. Of
    a job with slices in all of them: a host that several touched has the sum.
    """
    chosen = args.pop("job_run_id", None)
    output = output_of_job(session(), current_principal(), job_id, chosen)
    if output.slices is not None:
        return joined.host_summaries(session(), output.slices, args)
    return lists.host_summaries(session(), output.run_id, args, of_job=chosen is None)


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

    Of a job with slices their logs one after the other, as far as those before have ended.
    With `Accept: text/event-stream` it is followed as server-sent events: `id` is the number of bytes told,
    `Last-Event-ID` resumes. A complete log has an `ETag` made of its SHA-256.
    """
    output = output_of_job(session(), current_principal(), job_id, None)
    kind, download, events = args["format"], args["download"], wants_stream()
    if events or args["follow"]:
        return job_log_live(job_id, output, kind, download=download, events=events)
    return log_answer(known_log_of(session(), output), file_name(job_id, output), _asked(args))


@blp.get("/job-runs/<uuid:run_id>/log")
@blp.arguments(LogQuery, location="query")
@blp.response(HTTPStatus.OK, content_type="text/plain")
def get_run_log(args: dict[str, Any], run_id: UUID) -> Response:
    """The log of one attempt: as a job's"""
    run = visible_run(session(), current_principal(), run_id)
    kind, download, events = args["format"], args["download"], wants_stream()
    if events or args["follow"]:
        return run_log_live(run.job_id, run.id, kind, download=download, events=events)
    output = OutputOf(run.id)
    return log_answer(known_log_of(session(), output), file_name(run.job_id, output), _asked(args))


def _asked(args: dict[str, Any]) -> AskedLog:
    some = "start_line" in args or "end_line" in args
    lines = Lines(args.get("start_line", 0), args.get("end_line")) if some else None
    return AskedLog(args["format"], lines, download=args["download"], presigned=args["presigned"])


def _live_run_events(run_id: UUID, job_id: int, args: dict[str, Any]) -> Response:
    found, last_seq = boards(), number_after(last_id(), 1, args.get("after_seq", 0))
    return live_messages(lambda: event_stream(found, run_id, last_seq, args), grant(job_id))
