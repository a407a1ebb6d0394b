"""Pages of other origins: none may read the API unless the operator names their origin.

Cookies are never allowed across origins: such a page brings a bearer token.
"""

from collections.abc import Collection

from flask import Flask, Response, request

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_ASKED = (
    "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Last-Event-ID, Range,"
    " X-Request-Id"
)
_TOLD = "Deprecation, ETag, Idempotent-Replayed, Link, Location, Retry-After, X-Request-Id"
_REMEMBERED_SECONDS = "600"


def register(app: Flask, origins: Collection[str]) -> None:
    """Let pages of `origins` (such as https://console.example.com) speak to `app`."""
    if not origins:
        return

    def allowed() -> bool:
        return request.headers.get("Origin") in origins

    @app.before_request
    def preflight() -> Response | None:
        asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not (asks and allowed()):
            return None
        headers = {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _ASKED,
            "Access-Control-Max-Age": _REMEMBERED_SECONDS,
        }
        return Response(status=204, headers=headers)

    @app.after_request
    def tell(response: Response) -> Response:
        response.vary.add("Origin")
        if allowed():
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = _TOLD
        return response
