"""One HTTP request and what its answer means."""

from http import HTTPStatus
from typing import Any

import httpx
import orjson
from drover_shared import traces

from drover_executor.client.errors import (
    ApiError,
    NotOursError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
)

BASE = "/internal/api/v1"
_PROBLEM = "application/problem+json"
_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_EMPTY = frozenset({HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT})
_CONNECT_SECONDS = 3.0
_LONGEST_RETRY_AFTER = 30.0


class Transport:
    """Speaks JSON to the API. Safe for many threads."""

    def __init__(self, api_url: str, version: str) -> None:
        self._client = httpx.Client(
            base_url=api_url.rstrip("/") + BASE,
            headers={"User-Agent": f"drover-executor/{version}", "Accept": "application/json"},
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
            follow_redirects=False,
        )

    def close(self) -> None:
        self._client.close()

    def call(
        self, method: str, path: str, token: str, body: Any = None, *, seconds: float = 10.0
    ) -> "Answer":
        """Send `body` as JSON. Raises ApiError: see `client.errors` for what each means."""
        content = None if body is None else orjson.dumps(body)
        headers = {"Authorization": f"Bearer {token}"}
        if (trace := traces.current()) is not None:
            headers[traces.HEADER] = trace
        if content is not None:
            headers["Content-Type"] = "application/json"
        timeout = httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))
        try:
            response = self._client.request(method, path, content=content, headers=headers, timeout=timeout)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnavailableError(type(error).__name__) from None
        return _judged(response)


class Answer:
    """A 2xx answer: its status and JSON object (empty where there is none)."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status, self.body = status, body

    def __getitem__(self, name: str) -> Any:
        """A field that must be there. Raises UnavailableError: an answer without it is not ours."""
        if name not in self.body:
            raise UnavailableError(f"the answer lacks {name}")
        return self.body[name]


def _judged(response: httpx.Response) -> Answer:
    status = response.status_code
    body = _object(response)
    if status in _EMPTY and response.content.strip() in (b"", b"null"):
        return Answer(status, {})
    if response.is_success and body is not None:
        return Answer(status, body)
    raise _error(status, response.headers, body)


def _error(status: int, headers: httpx.Headers, body: dict[str, Any] | None) -> ApiError:
    """Only a problem+json answer is the API's own word; anything else may be a proxy's or a crash's."""
    ours = body is not None and headers.get("content-type", "").split(";", maxsplit=1)[0].strip() == _PROBLEM
    if not ours or body is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _LATER:
        return UnavailableError(f"status {status}", _seconds(headers.get("retry-after", "")))
    detail = str(body.get("detail") or body.get("title") or f"status {status}")
    if status == HTTPStatus.UNAUTHORIZED:
        return UnauthorizedError(detail)
    if status in (HTTPStatus.CONFLICT, HTTPStatus.GONE):
        return NotOursError(detail)
    return RefusedError(status, detail)


def _seconds(retry_after: str) -> float:
    """As many as it says, within reason; a date is for browsers."""
    return min(float(retry_after), _LONGEST_RETRY_AFTER) if retry_after.isdecimal() else 0.0


def _object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None
