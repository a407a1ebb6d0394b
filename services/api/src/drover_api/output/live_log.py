"""Answers with a log that is followed."""

from uuid import UUID

from drover_shared.domain.errors import FieldError, InvalidError
from flask import Response

from drover_api.live.answers import live, live_messages
from drover_api.live.requests import grant, last_id
from drover_api.output.answers import file_name, follow_start, with_headers
from drover_api.output.attempts import number_after
from drover_api.output.boards import boards
from drover_api.output.follow import followed, job_followed, job_log_stream, log_stream
from drover_api.output.formats import CONTENT_TYPES
from drover_api.output.joined_streams import joined_followed, joined_log_stream
from drover_api.output.runs import OutputOf

_MESSAGES = ("ansi", "txt", "text")


def job_log_live(job_id: int, output: OutputOf, kind: str, *, download: bool, events: bool) -> Response:
    """The log of a job's current attempt or of its slices, as server-sent `events` or as the log itself."""
    found, last = boards(), last_id()
    messages, followed = job_log_stream, job_followed
    if output.slices is not None:
        messages, followed = joined_log_stream, joined_followed
    if events:
        _check(kind)
        return live_messages(lambda: messages(found, job_id, kind, last), grant(job_id))
    start = follow_start(output, kind)
    answer = live(lambda: followed(found, job_id, kind, start), CONTENT_TYPES[kind], grant(job_id))
    return with_headers(answer, kind, file_name(job_id, output), download=download)


def run_log_live(job_id: int, run_id: UUID, kind: str, *, download: bool, events: bool) -> Response:
    """The log of one attempt, in the same ways."""
    found, start = boards(), number_after(last_id(), 1, 0)
    if events:
        _check(kind)
        return live_messages(lambda: log_stream(found, run_id, kind, start), grant(job_id))
    output = OutputOf(run_id)
    start = follow_start(output, kind)
    answer = live(lambda: followed(found, run_id, kind, start), CONTENT_TYPES[kind], grant(job_id))
    return with_headers(answer, kind, file_name(job_id, output), download=download)


def _check(kind: str) -> None:
    if kind not in _MESSAGES:
        raise InvalidError(FieldError("format", "An event stream is ansi or txt."))
