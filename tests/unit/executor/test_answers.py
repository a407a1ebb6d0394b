"""What an answer of the API means: only its own problem+json takes an attempt away."""

import httpx
import pytest
from drover_executor.client.errors import (
    ApiError,
    NotOursError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
)
from drover_executor.client.transport import Transport

PROBLEM = "application/problem+json"


def answering(response: httpx.Response | Exception) -> Transport:
    def handle(_request: httpx.Request) -> httpx.Response:
        if isinstance(response, Exception):
            raise response
        return response

    transport = Transport("http://api.example", "0")
    transport._client = httpx.Client(base_url="http://api.example", transport=httpx.MockTransport(handle))
    return transport


def problem(status: int) -> httpx.Response:
    body = b'{"detail": "no"}'
    return httpx.Response(status, content=body, headers={"Content-Type": f"{PROBLEM}; charset=utf-8"})


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (problem(409), NotOursError),
        (problem(410), NotOursError),
        (problem(401), UnauthorizedError),
        (problem(404), RefusedError),
        (problem(422), RefusedError),
        (problem(429), UnavailableError),
        (problem(500), UnavailableError),
        (problem(503), UnavailableError),
        (httpx.Response(410, html="<h1>Gone</h1>"), UnavailableError),
        (httpx.Response(409, json={"detail": "not a problem"}), UnavailableError),
        (httpx.Response(401, text="proxy"), UnavailableError),
        (httpx.Response(404, text="proxy"), UnavailableError),
        (httpx.Response(502), UnavailableError),
        (httpx.Response(200, html="<h1>Log in</h1>"), UnavailableError),
        (httpx.Response(200, content=b'{"cut": '), UnavailableError),
        (httpx.Response(200, json=["a list"]), UnavailableError),
        (httpx.Response(302, headers={"Location": "/login"}), UnavailableError),
        (httpx.ReadTimeout("slow"), UnavailableError),
        (httpx.ConnectError("away"), UnavailableError),
        (httpx.RemoteProtocolError("garbage"), UnavailableError),
    ],
)
def test_errors(response: httpx.Response | Exception, error: type[ApiError]) -> None:
    with pytest.raises(ApiError) as caught:
        answering(response).call("PUT", "/heartbeat", "token")
    assert type(caught.value) is error


def test_answers() -> None:
    answer = answering(httpx.Response(200, json={"a": 1})).call("GET", "/x", "token")
    assert answer["a"] == 1
    with pytest.raises(UnavailableError):
        answer["b"]
    assert answering(httpx.Response(204)).call("POST", "/x", "token").body == {}
    assert answering(httpx.Response(202, content=b"null\n")).call("POST", "/x", "token").body == {}
