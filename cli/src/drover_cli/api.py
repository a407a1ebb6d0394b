"""A small client of the public API, for commands: JSON in, JSON out, problems as one line."""

from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx

from drover_cli.local.errors import LocalError

Json = dict[str, Any]
TIMEOUT_SECONDS = 30.0


class ApiError(LocalError):
    """The API said no; `status` is the HTTP status, 0 when it did not answer."""

    def __init__(self, message: str, status: int, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


class ApiClient:
    """Speaks to `{base_url}/api/v1` with a token. Every call raises ApiError."""

    def __init__(self, base_url: str, token: str = "") -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=f"{base_url}/api/v1", headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def login(self, username: str, password: str, description: str) -> None:
        """Get a token of one's own and use it from now on."""
        answer = self._send(
            "POST", "/tokens", json={"description": description, "scope": "write"}, auth=(username, password)
        )
        self._http.headers["Authorization"] = f"Bearer {answer.json()['token']}"

    def get(self, path: str, **params: object) -> Json:
        body: Json = self._send("GET", path, params=params).json()
        return body

    def post(self, path: str, body: Mapping[str, Any]) -> Json:
        answer = self._send("POST", path, json=dict(body))
        return dict(answer.json()) if answer.content else {}

    def patch(self, path: str, body: Mapping[str, Any]) -> Json:
        changed: Json = self._send("PATCH", path, json=dict(body)).json()
        return changed

    def find(self, path: str, name: str) -> Json | None:
        """The resource of exactly this name, or None; the API's `name` filter finds parts of names."""
        offset = 0
        while True:
            page = self.get(path, name=name, limit=200, offset=offset)
            for item in page["items"]:
                if item["name"] == name:
                    found: Json = item
                    return found
            offset += len(page["items"])
            if not page["items"] or offset >= page["total"]:
                return None

    def ensure(self, path: str, body: Mapping[str, Any]) -> Json:
        """Create the resource named in `body`, or bring the one of that name to it."""
        known = self.find(path, str(body["name"]))
        if known is None:
            return self.post(path, body)
        return dict(self._send("PATCH", f"{path}/{known['id']}", json=dict(body)).json())

    def log(self, run_id: str, offset: int, *, colour: bool) -> bytes:
        """The bytes of a run's log from `offset` on, as many as there are now."""
        answer = self._send(
            "GET",
            f"/job-runs/{run_id}/log",
            headers={"Range": f"bytes={offset}-"},
            params={"format": "ansi" if colour else "text"},
            accept=(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,),
        )
        match answer.status_code:
            case HTTPStatus.PARTIAL_CONTENT:
                return answer.content
            case HTTPStatus.OK:  # the whole of it: the server did not take the range
                return answer.content[offset:]
            case _:
                return b""

    def _send(
        self, method: str, path: str, *, accept: tuple[HTTPStatus, ...] = (), **options: Any
    ) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise ApiError(f"the API does not answer: {error}", 0, hint="look at ./drover status") from error
        if answer.is_success or answer.status_code in accept:
            return answer
        raise ApiError(f"{method} {path}: {problem_text(answer)}", answer.status_code)


def problem_text(answer: httpx.Response) -> str:
    """What a problem+json answer says, on one line."""
    try:
        problem = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    if not isinstance(problem, dict):
        return f"HTTP {answer.status_code}"
    text = str(problem.get("detail") or problem.get("title") or f"HTTP {answer.status_code}")
    errors = [f"{error.get('pointer')}: {error.get('detail')}" for error in problem.get("errors") or []]
    untold = [error for error in errors if error not in text]
    return f"{text} ({'; '.join(untold)})" if untold else text
