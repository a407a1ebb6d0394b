"""An executor that speaks to the internal API."""

from hashlib import sha256
from typing import Any

import pytest
from drover_api.deps import Deps
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from support.api import REGISTRATION_TOKEN, Api
from support.job_rows import QueuedJob, add_queued_job

PREFIX = "/internal/api/v1"


class Executor:
    """A registered executor; `run` is the API with the token of the run it claimed last."""

    def __init__(self, client: FlaskClient, name: str = "one") -> None:
        self._client = client
        registration = {"name": name, "pools": ["default"], "slots": 2, "version": "1"}
        answer = Api(client, REGISTRATION_TOKEN, PREFIX).post("/executors", registration)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        self.registered: dict[str, Any] = answer.get_json()
        self.id = self.registered["id"]
        self.api = Api(client, self.registered["token"], PREFIX)
        self.stream_token = ""

    def try_claim(self, queued: QueuedJob) -> TestResponse:
        return self.api.post(f"/job-runs/{queued.run_id}/claim", {"executor_id": self.id})

    def claim(self, queued: QueuedJob) -> Api:
        answer = self.try_claim(queued)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        claimed = answer.get_json()
        self.stream_token = claimed["stream_token"]
        return Api(self._client, claimed["run_token"], f"{PREFIX}/job-runs/{queued.run_id}")


def ending(state: str = "successful", **values: Any) -> dict[str, Any]:
    """The body of a `finish` that put out nothing, unless told otherwise."""
    return {
        "state": state,
        "exit_code": 0,
        "error_reason": None,
        "error_detail": None,
        "last_seq": 0,
        "log_chunks": 0,
        "log_bytes": 0,
        "log_sha256": sha256(b"").hexdigest(),
        **values,
    }


@pytest.fixture
def executor(api_app: Flask) -> Executor:
    return Executor(api_app.test_client())


@pytest.fixture
def queued(api_deps: Deps) -> QueuedJob:
    with api_deps.sessions.begin() as db:
        return add_queued_job(db, extra_vars={"some_var": "value"}, verbosity=3, timeout_seconds=7200)
