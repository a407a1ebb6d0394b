"""What a request says of a live stream."""

from flask import request

from drover_api.access.principal import current_principal
from drover_api.live import sse
from drover_api.live.grants import Grant


def wants_stream() -> bool:
    return sse.CONTENT_TYPE in request.accept_mimetypes.values()


def last_id() -> str:
    """`Last-Event-ID`; empty where a reader begins."""
    return request.headers.get("Last-Event-ID", "")


def grant(job_id: int) -> Grant:
    """For as long as this request's user may read the job."""
    principal = current_principal()
    return Grant(principal.user_id, principal.token_id, principal.session_id, job_id)
