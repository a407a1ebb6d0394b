"""A span for each request, below the caller's where it names one."""

from contextlib import ExitStack

from drover_shared import traces
from flask import Flask, Response, g, request

_STACK = "drover_trace"


def _begin() -> None:
    route = "none" if request.url_rule is None else request.url_rule.rule
    about = {"http.request.method": request.method, "http.route": route, "drover.request_id": g.request_id}
    stack = ExitStack()
    stack.enter_context(traces.span(f"{request.method} {route}", request.headers.get(traces.HEADER), about))
    setattr(g, _STACK, stack)


def _finish(response: Response) -> Response:
    """A streamed answer's span ends where its body begins."""
    stack: ExitStack | None = g.pop(_STACK, None)
    if stack is not None:
        stack.close()
    return response


def _forget(_error: BaseException | None) -> None:
    stack: ExitStack | None = g.pop(_STACK, None)
    if stack is not None:
        stack.close()


def register(app: Flask) -> None:
    """After the request has its id."""
    app.before_request(_begin)
    app.after_request(_finish)
    app.teardown_request(_forget)
