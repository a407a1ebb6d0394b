"""Jobs and logs as server-sent events, and streams that several attempts feed."""

import json
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from drover_api.deps import Deps
from drover_api.output.follow import whole_text
from drover_shared.objects import ObjectStore
from sqlalchemy import text
from support.api import Api
from support.executor_client import Executor, ending
from support.job_rows import QueuedJob, add_job
from support.output_rows import store_events, store_log
from support.runs import add_run
from werkzeug.test import TestResponse

STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
def store(api_deps: Deps) -> Iterator[ObjectStore]:
    store = ObjectStore(api_deps.settings.s3)
    yield store
    store.close()


def messages(answer: TestResponse) -> list[tuple[str, str, Any]]:
    """(id, event, data) of every message of a stream that has ended."""
    assert answer.mimetype == "text/event-stream", answer.get_data(as_text=True)
    found = []
    for block in answer.get_data(as_text=True).split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append((fields.get("id", ""), fields.get("event", ""), json.loads(fields["data"])))
    return found


class TestJob:
    def test_every_change_once_to_the_end(
        self, admin: Api, api_deps: Deps, queued: QueuedJob, executor: Executor
    ) -> None:
        path = f"/jobs/{queued.job_id}"
        first = admin.get(path)
        run = executor.claim(queued)

        def go_on() -> None:
            run.post("/start", {})
            run.post("/finish", ending(last_seq=2))
            with api_deps.sessions.begin() as db:
                store_events(db, queued.run_id, queued.job_id, [1, 2])
            api_deps.redis.publish(f"drover:run:{queued.run_id}", "events")

        timer = threading.Timer(0.3, go_on)
        timer.start()
        found = messages(admin.get(path, headers=STREAM))
        timer.join()
        assert found[0][1] == "job"
        assert (found[0][2]["status"], first.get_json()["status"]) == ("queued", "queued")
        assert found[-1] == ("", "end", {"job_status": "successful"})
        last_id, kind, last = found[-2]
        assert (kind, last["status"], last["events_complete"]) == ("job", "successful", True)
        assert last == admin.get(path).get_json()
        assert f'"{last_id}"' == admin.get(path).headers["ETag"]
        tags = [tag for tag, _, _ in found[:-1]]
        assert all(one != other for one, other in pairwise(tags))
        resumed = messages(admin.get(path, headers={**STREAM, "Last-Event-ID": last_id}))
        assert [kind for _, kind, _ in resumed] == ["end"]

    def test_one_that_is_not_there_is_404(self, admin: Api) -> None:
        assert admin.get("/jobs/999", headers=STREAM).status_code == 404


class TestLog:
    PIECES = ("ok: [web01] caf\u00e9 ".encode() * 6000, b"\x1b[0;32mgreen\x1b[0m \xff end\n" * 4000)
    WHOLE = b"".join(PIECES)

    @pytest.fixture
    def path(self, api_deps: Deps, queued: QueuedJob, executor: Executor, store: ObjectStore) -> str:
        run = executor.claim(queued)
        run.post("/start", {})
        run.post("/finish", ending(log_chunks=2, log_bytes=len(self.WHOLE)))
        with api_deps.sessions.begin() as db:
            store_log(db, store, queued.run_id, queued.job_id, self.PIECES)
        return f"/job-runs/{queued.run_id}/log"

    def test_messages_are_the_log_and_resume_anywhere(self, admin: Api, path: str) -> None:
        found = messages(admin.get(path, headers=STREAM))
        assert len(found) > 3
        assert "".join(data["content"] for _, _, data in found[:-1]) == self.WHOLE.decode("utf-8", "replace")
        ends = [int(one) for one, _, _ in found[:-1]]
        assert [data["offset"] for _, _, data in found[:-1]] == [0, *ends[:-1]]
        assert found[-1][1:] == ("end", {"job_run_id": path.split("/")[2], "complete": True})
        resumed = messages(admin.get(path, headers={**STREAM, "Last-Event-ID": str(ends[1])}))
        assert resumed == found[2:]

    def test_as_plain_text(self, admin: Api, path: str) -> None:
        found = messages(admin.get(f"{path}?format=txt", headers=STREAM))
        text = self.WHOLE.decode("utf-8", "replace").replace("\x1b[0;32m", "").replace("\x1b[0m", "")
        assert "".join(data["content"] for _, _, data in found[:-1]) == text
        assert admin.get(f"{path}?format=html", headers=STREAM).status_code == 422

    def test_a_job_that_is_canceled_before_its_first_attempt_just_ends(
        self, admin: Api, api_deps: Deps
    ) -> None:
        with api_deps.sessions.begin() as db:
            job_id = add_job(db).id
        timer = threading.Timer(0.3, lambda: admin.post(f"/jobs/{job_id}/cancel"))
        timer.start()
        found = messages(admin.get(f"/jobs/{job_id}/log", headers=STREAM))
        timer.join()
        assert found == [("", "end", {"job_run_id": None, "complete": False})]


@pytest.mark.parametrize(
    ("piece", "whole"),
    [
        (b"abc", b"abc"),
        ("caf\u00e9".encode(), "caf\u00e9".encode()),
        ("caf\u00e9".encode()[:-1], b"caf"),
        (b"x\xf0\x9f\x98", b"x"),
        (b"x\xff", b"x"),
        (b"x\x1b[0;3", b"x"),
        (b"x\x1b[0;32m", b"x\x1b[0;32m"),
        (b"\x80\x80\x80\x80", b"\x80\x80\x80\x80"),
    ],
)
def test_a_message_ends_with_a_whole_character_and_escape(piece: bytes, whole: bytes) -> None:
    assert whole_text(piece) == whole


def test_a_later_attempt_is_told_from_its_beginning(admin: Api, api_deps: Deps, queued: QueuedJob) -> None:
    with api_deps.sessions.begin() as db:
        second = add_run(db.connection(), queued.job_id, attempt_number=2, state="successful")
        db.execute(
            text("UPDATE jobs SET current_run_id = :run WHERE id = :job"),
            {"run": second.id, "job": queued.job_id},
        )
        store_events(db, second.id, queued.job_id, [1, 2, 3])
    path = f"/jobs/{queued.job_id}/events"

    def first_ids(last_id: str) -> list[str]:
        answer = admin.get(path, headers={**STREAM, "Last-Event-ID": last_id}, buffered=False)
        pieces: Iterator[Any] = iter(answer.response)
        assert next(pieces) == b"retry: 2000\n\n"
        lines = next(pieces).decode().splitlines()
        answer.close()
        return [line.removeprefix("id: ") for line in lines if line.startswith("id: ")]

    assert first_ids("57") == ["2:1", "2:2", "2:3"]
    assert first_ids("2:1") == ["2:2", "2:3"]
