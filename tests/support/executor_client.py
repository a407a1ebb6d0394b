"""An executor that speaks to the internal API."""

from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from drover_api.deps import Deps
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from support.api import REGISTRATION_TOKEN, Api
from support.job_rows import QueuedJob, add_queued_job

PREFIX = "/internal/api/v1"


class Executor:
    """A registered executor; `run` is the API with the token of the run it claimed last.

    `slices`: it says that it knows them.
    """

    def __init__(self, client: FlaskClient, name: str = "one", *, slices: bool = False) -> None:
        self._client = client
        self._knows = {"slices": True} if slices else {}
        registration = {"name": name, "pools": ["default"], "slots": 2, "version": "1"}
        answer = Api(client, REGISTRATION_TOKEN, PREFIX).post("/executors", registration)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        self.registered: dict[str, Any] = answer.get_json()
        self.id = self.registered["id"]
        self.api = Api(client, self.registered["token"], PREFIX)
        self.stream_token = ""

    def try_claim(self, queued: QueuedJob) -> TestResponse:
        return self._try_claim(queued.run_id)

    def _try_claim(self, run_id: UUID | str) -> TestResponse:
        return self.api.post(f"/job-runs/{run_id}/claim", {"executor_id": self.id, **self._knows})

    def claim(self, queued: QueuedJob) -> Api:
        return self.claim_run(queued.run_id)

    def claim_run(self, run_id: UUID | str) -> Api:
        answer = self._try_claim(run_id)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        claimed = answer.get_json()
        self.stream_token = claimed["stream_token"]
        return Api(self._client, claimed["run_token"], f"{PREFIX}/job-runs/{run_id}")


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
