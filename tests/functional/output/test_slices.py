"""What the slices of a job put out, as one job's output: events, host summaries, log, and live."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from drover_api.deps import Deps
from drover_shared.db.slices import follow
from drover_shared.domain.slices import SEQS_A_SLICE
from drover_shared.objects import ObjectStore
from flask import Flask
from support.api import Api
from support.executor_client import Executor, ending
from support.output_rows import store_events, store_log, store_summary
from support.slice_rows import SplitJob, add_split_job
from werkzeug.test import TestResponse

STREAM = {"Accept": "text/event-stream"}
LOGS = ([b"PLAY one\n", b"ok: [web01]\n"], [b"PLAY two\nok: [web02]\n"], [b"PLAY three\n", b"last\n"])
WHOLE = b"".join(piece for log in LOGS for piece in log)
SECOND, THIRD = SEQS_A_SLICE, 2 * SEQS_A_SLICE


@pytest.fixture
def store(api_deps: Deps) -> Iterator[ObjectStore]:
    store = ObjectStore(api_deps.settings.s3)
    yield store
    store.close()


def end(api_deps: Deps, executor: Executor, job: SplitJob, number: int, *, lasts: int = 3) -> None:
    """The slice ends, having promised its log and `lasts` events."""
    log = LOGS[number - 1]
    run = executor.claim(job.slices[number - 1])
    run.post("/start", {})
    promised: dict[str, Any] = {
        "log_chunks": len(log),
        "log_bytes": sum(map(len, log)),
        "log_sha256": f"{number}" * 64,
    }
    run.post("/finish", ending(last_seq=lasts, **promised))
    with api_deps.sessions.begin() as db:
        follow(db, job.job_id)


def put_out(api_deps: Deps, store: ObjectStore, job: SplitJob, number: int) -> None:
    one = job.slices[number - 1]
    with api_deps.sessions.begin() as db:
        store_events(db, one.run_id, one.job_id, [1, 2, 3], host=f"web0{number}")
        store_log(db, store, one.run_id, one.job_id, LOGS[number - 1])
        store_summary(db, one.run_id, one.job_id, f"web0{number}", ok=number, failed=int(number == 2))
        store_summary(db, one.run_id, one.job_id, "localhost", ok=1)


@pytest.fixture
def executor(api_app: Flask) -> Executor:
    return Executor(api_app.test_client(), slices=True)


@pytest.fixture
def split_job(api_deps: Deps) -> SplitJob:
    with api_deps.sessions.begin() as db:
        return add_split_job(db)


@pytest.fixture
def ended(api_deps: Deps, store: ObjectStore, executor: Executor, split_job: SplitJob) -> SplitJob:
    for number in (1, 2, 3):
        put_out(api_deps, store, split_job, number)
        end(api_deps, executor, split_job, number)
    return split_job


def messages(answer: TestResponse) -> list[tuple[str, str, Any]]:
    found = []
    for block in answer.get_data(as_text=True).split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append((fields.get("id", ""), fields.get("event", ""), json.loads(fields["data"])))
    answer.close()  # its place is another reader's
    return found


ALL = [1, 2, 3, SECOND + 1, SECOND + 2, SECOND + 3, THIRD + 1, THIRD + 2, THIRD + 3]


PAGES: list[tuple[str, list[int], int]] = [
    ("", ALL, 9),
    ("limit=4", ALL[:4], 9),
    ("limit=4&offset=2", ALL[2:6], 9),
    ("limit=4&offset=8", ALL[8:], 9),
    (f"after_seq={SECOND + 2}", ALL[5:], 4),
    (f"after_seq={SECOND + 2}&limit=2&offset=1", ALL[6:8], 4),
    (f"after_seq={THIRD + 3}", [], 0),
    ("host=web02", ALL[3:6], 3),
    ("host=web02&changed=true&limit=1", ALL[3:4], 3),
    ("host=nobody", [], 0),
    ("event_type=STATS", [], 0),
    (f"parent_seq={SECOND + 1}", [], 0),
]


def test_events_of_all_slices_page_as_one(admin: Api, ended: SplitJob) -> None:
    for query, seqs, total in PAGES:
        page = admin.get(f"/jobs/{ended.job_id}/events?{query}").get_json()
        assert ([one["seq"] for one in page["items"]], page["total"]) == (seqs, total), query
        jobs = [ended.slices[seq // SEQS_A_SLICE].job_id for seq in seqs]
        assert [one["job_id"] for one in page["items"]] == jobs
    run = ended.slices[2].run_id  # of one attempt they keep their own numbers
    page = admin.get(f"/jobs/{ended.job_id}/events?job_run_id={run}").get_json()
    assert [one["seq"] for one in page["items"]] == [1, 2, 3]


def test_each_host_once_and_the_summary_counts_them(admin: Api, ended: SplitJob) -> None:
    path = f"/jobs/{ended.job_id}"
    page = admin.get(f"{path}/host-summaries").get_json()
    told = [(one["job_id"], one["host"], one["ok"]) for one in page["items"]]
    assert told == [(ended.job_id, "localhost", 3), *((ended.job_id, f"web0{n}", n) for n in (1, 2, 3))]
    assert page["total"] == 4
    failed = admin.get(f"{path}/host-summaries?outcome=failed").get_json()
    assert [one["host"] for one in failed["items"]] == ["web02"]
    last = admin.get(f"{path}/host-summaries?order_by=-host&limit=1").get_json()
    assert [one["host"] for one in last["items"]] == ["web03"]
    job = admin.get(path).get_json()
    assert (job["summary"]["hosts_total"], job["summary"]["hosts_ok"]) == (4, 3)
    assert job["summary"]["hosts_failed"] == 1
    assert (job["status"], job["events_complete"], job["log_complete"]) == ("successful", True, True)
    [listed] = [one for one in admin.get("/jobs").get_json()["items"] if one["id"] == ended.job_id]
    assert listed["summary"] == job["summary"]


def test_the_log_is_one_stream_of_bytes(admin: Api, ended: SplitJob) -> None:
    path = f"/jobs/{ended.job_id}/log"
    whole = admin.get(path)
    assert whole.get_data() == WHOLE
    assert admin.get(path, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    for start, last in ((0, 5), (15, 30), (20, 41), (len(WHOLE) - 3, len(WHOLE) - 1)):
        part = admin.get(path, headers={"Range": f"bytes={start}-{last}"})
        assert (part.status_code, part.get_data()) == (206, WHOLE[start : last + 1])
        assert part.headers["Content-Range"] == f"bytes {start}-{last}/{len(WHOLE)}"
    assert admin.get(path, headers={"Range": f"bytes={len(WHOLE)}-"}).status_code == 416
    assert admin.get(f"{path}?start_line=1&end_line=4").get_data() == b"".join(WHOLE.splitlines(True)[1:4])
    saved = admin.get(f"{path}?download=1&format=txt")
    assert f'filename="job-{ended.job_id}.txt"' in saved.headers["Content-Disposition"]
    assert json.loads(admin.get(f"{path}?format=json").get_data())["content"] == WHOLE.decode()


def test_a_log_goes_as_far_as_the_slices_before_have_ended(
    admin: Api, api_deps: Deps, store: ObjectStore, executor: Executor, split_job: SplitJob
) -> None:
    path = f"/jobs/{split_job.job_id}"
    put_out(api_deps, store, split_job, 2)
    assert admin.get(f"{path}/log").get_data() == b""
    put_out(api_deps, store, split_job, 1)
    assert admin.get(f"{path}/log").get_data() == b"".join(LOGS[0])
    end(api_deps, executor, split_job, 1)
    answer = admin.get(f"{path}/log")
    assert answer.get_data() == b"".join([*LOGS[0], *LOGS[1]])
    assert "ETag" not in answer.headers
    assert admin.get(path).get_json()["log_complete"] is False


def test_live_readers_get_all_of_it_and_go_on_where_they_were(
    admin: Api, api_deps: Deps, store: ObjectStore, executor: Executor, split_job: SplitJob
) -> None:
    path = f"/jobs/{split_job.job_id}"
    put_out(api_deps, store, split_job, 1)
    end(api_deps, executor, split_job, 1)

    def go_on() -> None:
        for number in (3, 2):
            put_out(api_deps, store, split_job, number)
            end(api_deps, executor, split_job, number)

    timer = threading.Timer(0.3, go_on)
    timer.start()
    told = messages(admin.get(f"{path}/events", headers=STREAM))
    timer.join()
    assert [(one, event["seq"]) for one, _, event in told[:-1]] == [(str(seq), seq) for seq in ALL]
    assert told[-1][1:] == (
        "end",
        {"job_run_id": None, "state": None, "job_status": "successful", "complete": True},
    )
    resumed = messages(admin.get(f"{path}/events", headers={**STREAM, "Last-Event-ID": str(SECOND + 3)}))
    assert [event["seq"] for _, kind, event in resumed if kind != "end"] == ALL[6:]
    log = messages(admin.get(f"{path}/log", headers=STREAM))
    assert "".join(one["content"] for _, kind, one in log if kind != "end") == WHOLE.decode()
    offsets = [one["offset"] for _, kind, one in log if kind != "end"]
    assert offsets == [0, len(b"".join(LOGS[0])), len(b"".join([*LOGS[0], *LOGS[1]]))]
    rest = messages(admin.get(f"{path}/log", headers={**STREAM, "Last-Event-ID": str(SECOND + 5)}))
    assert "".join(one["content"] for _, kind, one in rest if kind != "end") == WHOLE.decode()[26:]
    for start in (0, 15, 30):
        followed = admin.get(f"{path}/log?follow=true", headers={"Range": f"bytes={start}-"})
        assert followed.get_data() == WHOLE[start:]
        followed.close()


def test_a_further_attempt_at_a_slice_is_told_after_the_one_before(
    admin: Api, api_deps: Deps, store: ObjectStore, executor: Executor
) -> None:
    with api_deps.sessions.begin() as db:
        job = add_split_job(db, 2, retry_on=["failed"], retry_wait_seconds=0)
    put_out(api_deps, store, job, 2)
    end(api_deps, executor, job, 2)
    first = job.slices[0]
    with api_deps.sessions.begin() as db:
        store_events(db, first.run_id, first.job_id, [1, 2])
    run = executor.claim(first)
    run.post("/start", {})
    run.post("/finish", ending("failed", last_seq=2))
    path = f"/jobs/{job.job_id}"
    again = admin.get(f"/jobs/{first.job_id}").get_json()["current_run_id"]
    run = executor.claim_run(again)
    run.post("/start", {})
    run.post("/finish", ending(last_seq=1))
    with api_deps.sessions.begin() as db:
        store_events(db, again, first.job_id, [1])
        follow(db, job.job_id)
    told = messages(admin.get(f"{path}/events", headers={**STREAM, "Last-Event-ID": "2"}))
    ids = [one for one, kind, _ in told if kind != "end"]
    assert ids == ["2:1", *(str(seq) for seq in ALL[3:6])]
    resumed = messages(admin.get(f"{path}/events", headers={**STREAM, "Last-Event-ID": "2:1"}))
    assert [one for one, kind, _ in resumed if kind != "end"] == ids[1:]
