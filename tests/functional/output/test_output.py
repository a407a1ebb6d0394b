"""Events, host summaries and logs over HTTP, on real PostgreSQL, Redis and S3."""

import gzip
import json
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

import httpx
import pytest
from drover_api.app import create_app
from drover_api.deps import Deps
from drover_shared.db.models import JobRun
from drover_shared.domain.keys import chunk_key
from drover_shared.objects import ObjectStore
from sqlalchemy import text, update
from support.api import Api, token_for
from support.executor_client import Executor, ending
from support.job_rows import QueuedJob
from support.output_rows import store_archive, store_events, store_log, store_summary
from werkzeug.test import TestResponse

STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
def store(api_deps: Deps) -> Iterator[ObjectStore]:
    store = ObjectStore(api_deps.settings.s3)
    yield store
    store.close()


def messages(answer: TestResponse) -> list[tuple[str, str, Any]]:
    """(id, event, data) of every message of an event stream that has ended."""
    assert answer.mimetype == "text/event-stream"
    found = []
    for block in answer.get_data(as_text=True).split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append((fields.get("id", ""), fields.get("event", ""), json.loads(fields["data"])))
    return found


class TestEvents:
    @pytest.mark.parametrize(
        ("query", "seqs"),
        [
            ("", [1, 2, 3, 4]),
            ("limit=2", [1, 2]),
            ("limit=2&offset=3", [4]),
            ("after_seq=2", [3, 4]),
            ("event_type=TASK_FAILED", [3]),
            ("event_type=TASK_FAILED,STATS", [3, 4]),
            ("failed=true", [3]),
            ("changed=true", [1, 2]),
            ("host=web01.example.com", [1, 2]),
            ("task_name=Install%20nginx", [1, 2, 3, 4]),
            ("host=nobody", []),
        ],
    )
    def test_filters_and_pages(
        self, admin: Api, api_deps: Deps, queued: QueuedJob, query: str, seqs: list[int]
    ) -> None:
        with api_deps.sessions.begin() as db:
            run, job = queued.run_id, queued.job_id
            store_events(db, run, job, [1, 2])
            store_events(
                db, run, job, [3], event_type="TASK_FAILED", host="web02", changed=False, failed=True
            )
            store_events(db, run, job, [4], event_type="STATS", host=None, changed=False)
        for path in (f"/jobs/{queued.job_id}/events", f"/job-runs/{queued.run_id}/events"):
            page = admin.get(f"{path}?{query}").get_json()
            assert [event["seq"] for event in page["items"]] == seqs
            assert set(page) == {"items", "total", "limit", "offset"}

    def test_the_children_of_a_play_or_a_task(self, admin: Api, api_deps: Deps, queued: QueuedJob) -> None:
        """A task that comes again, in its play and in the next one, keeps its own results."""
        story = [
            ("JOB_STARTED", None, None),
            ("PLAY_STARTED", "one", None),
            ("TASK_STARTED", "one", "ping"),
            ("TASK_OK", "one", "ping"),
            ("TASK_STARTED", "one", "copy"),
            ("TASK_OK", "one", "copy"),
            ("TASK_OK", "one", "ping"),  # the free strategy
            ("TASK_STARTED", "one", "ping"),
            ("TASK_FAILED", "one", "ping"),
            ("PLAY_STARTED", "one", None),  # its next batch of hosts
            ("TASK_STARTED", "one", "ping"),
            ("TASK_OK", "one", "ping"),
            ("STATS", None, None),
        ]
        with api_deps.sessions.begin() as db:
            for seq, (kind, play, task) in enumerate(story, 1):
                names = {"event_type": kind, "play_name": play, "task_name": task}
                store_events(db, queued.run_id, queued.job_id, [seq], **names)

        def children(seq: int, more: str = "") -> list[int]:
            page = admin.get(f"/jobs/{queued.job_id}/events?parent_seq={seq}{more}").get_json()
            assert page["total"] == len(page["items"])
            return [found["seq"] for found in page["items"]]

        assert children(2) == [3, 5, 8]
        assert children(10) == [11]
        assert children(3) == [4, 7]
        assert children(5) == [6]
        assert children(8) == [9]
        assert children(11) == [12]
        assert children(3, "&after_seq=4") == [7]
        assert children(1) == children(4) == children(99) == []

    def test_the_total_is_right_with_gaps_and_after_a_drop(
        self, admin: Api, api_deps: Deps, queued: QueuedJob
    ) -> None:
        path = f"/jobs/{queued.job_id}/events?limit=1"

        def total(more: str = "") -> int:
            return int(admin.get(path + more).get_json()["total"])

        with api_deps.sessions.begin() as db:
            store_events(db, queued.run_id, queued.job_id, [1, 2, 3])
        assert [total(), total("&after_seq=2"), total("&after_seq=9"), total("&host=x")] == [3, 1, 0, 0]
        with api_deps.sessions.begin() as db:
            store_events(db, queued.run_id, queued.job_id, [6])
        assert [total(), total("&after_seq=2"), total("&after_seq=3")] == [4, 2, 1]
        with api_deps.sessions.begin() as db:
            db.execute(text("DELETE FROM job_events"))
        assert total() == 0

    @pytest.mark.parametrize(
        "query", ["event_type=NONE", "limit=0", "after_seq=x", "changed=1", "colour=red"]
    )
    def test_a_wrong_query_is_422(self, admin: Api, queued: QueuedJob, query: str) -> None:
        assert admin.get(f"/jobs/{queued.job_id}/events?{query}").status_code == 422

    def test_an_attempt_at_another_job_is_404(self, admin: Api, queued: QueuedJob, api_deps: Deps) -> None:
        del api_deps
        other = "01890a5d-ac96-774b-bcce-b302099a8057"
        assert admin.get(f"/jobs/{queued.job_id}/events?job_run_id={other}").status_code == 404


class TestLiveEvents:
    def test_it_ends_with_the_run_and_resumes(
        self, admin: Api, api_deps: Deps, queued: QueuedJob, executor: Executor
    ) -> None:
        run = executor.claim(queued)
        run.post("/start", {})
        run.post("/finish", ending(last_seq=3))
        with api_deps.sessions.begin() as db:
            store_events(db, queued.run_id, queued.job_id, [1, 2, 3])
        path = f"/jobs/{queued.job_id}/events"
        found = messages(admin.get(path, headers=STREAM))
        assert [one[0] for one in found] == ["1", "2", "3", ""]
        assert found[-1][1:] == (
            "end",
            {
                "job_run_id": str(queued.run_id),
                "state": "successful",
                "job_status": "successful",
                "complete": True,
            },
        )
        assert found[0][2]["task_name"] == "Install nginx"
        resumed = messages(admin.get(path, headers={**STREAM, "Last-Event-ID": "2"}))
        assert [one[0] for one in resumed] == ["3", ""]

    def test_what_comes_behind_a_gap_waits_for_it(
        self, admin: Api, api_deps: Deps, queued: QueuedJob, executor: Executor
    ) -> None:
        run = executor.claim(queued)
        run.post("/start", {})
        with api_deps.sessions.begin() as db:
            store_events(db, queued.run_id, queued.job_id, [1, 3])

        def fill_the_gap() -> None:
            run.post("/finish", ending(last_seq=3))
            with api_deps.sessions.begin() as db:
                store_events(db, queued.run_id, queued.job_id, [2])
            api_deps.redis.publish(f"drover:run:{queued.run_id}", "events")

        timer = threading.Timer(0.5, fill_the_gap)
        timer.start()
        found = messages(admin.get(f"/job-runs/{queued.run_id}/events", headers=STREAM))
        timer.join()
        assert [one[0] for one in found] == ["1", "2", "3", ""]

    def test_only_so_many_at_once(self, admin: Api, api_deps: Deps, queued: QueuedJob) -> None:
        path = f"/jobs/{queued.job_id}/events"
        places = api_deps.settings.live_readers
        readers = [admin.get(path, headers=STREAM, buffered=False) for _ in range(places)]
        refused = admin.get(path, headers=STREAM)
        assert (refused.status_code, refused.content_type) == (503, "application/problem+json")
        assert refused.headers["Retry-After"] == "5"
        readers.pop().close()
        again = admin.get(path, headers=STREAM, buffered=False)
        assert again.status_code == 200
        for reader in [*readers, again]:
            reader.close()


def test_host_summaries_by_outcome(admin: Api, api_deps: Deps, queued: QueuedJob) -> None:
    with api_deps.sessions.begin() as db:
        store_summary(db, queued.run_id, queued.job_id, "a", ok=2, changed=1)
        store_summary(db, queued.run_id, queued.job_id, "b", ok=1, failed=1)
    path = f"/jobs/{queued.job_id}/host-summaries"
    assert [one["host"] for one in admin.get(path).get_json()["items"]] == ["a", "b"]
    failed = admin.get(f"{path}?outcome=failed").get_json()
    assert [one["host"] for one in failed["items"]] == ["b"]
    assert admin.get(f"{path}?outcome=odd").status_code == 422


class TestLog:
    PIECES = (b"PLAY [all]\n", b"\x1b[0;32mok: [web01]\x1b[0m <&>\n", b"caf\xc3", b"\xa9 \xff end\n")
    WHOLE = b"".join(PIECES)

    @pytest.fixture
    def path(self, api_deps: Deps, queued: QueuedJob, store: ObjectStore) -> str:
        with api_deps.sessions.begin() as db:
            store_log(db, store, queued.run_id, queued.job_id, self.PIECES)
        return f"/jobs/{queued.job_id}/log"

    def test_whole(self, admin: Api, path: str) -> None:
        answer = admin.get(path)
        assert answer.data == self.WHOLE
        assert answer.headers["Content-Length"] == str(len(self.WHOLE))
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.mimetype == "text/plain"

    @pytest.mark.parametrize(
        ("wanted", "start", "end"),
        [("0-0", 0, 1), ("5-20", 5, 21), ("30-", 30, None), ("-4", -4, None), ("9-99999", 9, None)],
    )
    def test_ranges(self, admin: Api, path: str, wanted: str, start: int, end: int | None) -> None:
        answer = admin.get(path, headers={"Range": f"bytes={wanted}"})
        assert answer.status_code == 206
        assert answer.data == self.WHOLE[start:end]
        first = start % len(self.WHOLE)
        last = first + len(answer.data) - 1
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(self.WHOLE)}"

    def test_a_range_beyond_the_end_is_416(self, admin: Api, path: str) -> None:
        answer = admin.get(path, headers={"Range": f"bytes={len(self.WHOLE)}-"})
        assert answer.status_code == 416
        assert answer.headers["Content-Range"] == f"bytes */{len(self.WHOLE)}"

    @pytest.mark.parametrize(
        "headers",
        [
            {"Range": "bytes=0-1,4-5"},
            {"Range": "lines=0-1"},
            {"Range": "bytes=x"},
            {"Range": "bytes=0-1", "If-Range": '"x"'},
        ],
    )
    def test_a_range_that_is_not_taken_gets_the_whole(
        self, admin: Api, path: str, headers: dict[str, str]
    ) -> None:
        answer = admin.get(path, headers=headers)
        assert (answer.status_code, answer.data) == (200, self.WHOLE)

    def test_formats(self, admin: Api, path: str) -> None:
        text = "PLAY [all]\nok: [web01] <&>\ncaf\u00e9 \ufffd end\n"
        assert admin.get(f"{path}?format=text").get_data(as_text=True) == text
        assert admin.get(f"{path}?format=txt").get_data(as_text=True) == text
        page = admin.get(f"{path}?format=html")
        assert '<span class="green">ok: [web01]</span> &lt;&amp;&gt;' in page.get_data(as_text=True)
        assert "sandbox" in page.headers["Content-Security-Policy"]
        content = admin.get(f"{path}?format=json").get_json()["content"]
        assert content == self.WHOLE.decode("utf-8", "replace")
        assert admin.get(f"{path}?format=pdf").status_code == 422

    def test_download(self, admin: Api, path: str, queued: QueuedJob) -> None:
        answer = admin.get(f"{path}?download=1&format=txt")
        name = f"job-run-{queued.run_id}.txt"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'

    def test_only_up_to_a_gap(
        self, admin: Api, api_deps: Deps, queued: QueuedJob, store: ObjectStore
    ) -> None:
        with api_deps.sessions.begin() as db:
            store_log(db, store, queued.run_id, queued.job_id, self.PIECES, missing=1)
        assert admin.get(f"/job-runs/{queued.run_id}/log").data == self.PIECES[0]

    @pytest.mark.parametrize("members", [False, True])
    @pytest.mark.parametrize("part_bytes", [1, 10, 1000])
    def test_archived(
        self,
        admin: Api,
        api_deps: Deps,
        queued: QueuedJob,
        path: str,
        store: ObjectStore,
        part_bytes: int,
        members: bool,
    ) -> None:
        with api_deps.sessions.begin() as db:
            store_archive(db, store, queued.run_id, self.WHOLE, part_bytes, members=members)
        assert admin.get(path).data == self.WHOLE
        for start, end in ((0, 0), (9, 9), (9, 10), (5, 20), (30, len(self.WHOLE) - 1)):
            answer = admin.get(path, headers={"Range": f"bytes={start}-{end}"})
            assert answer.data == self.WHOLE[start : end + 1]

    def complete(self, api_deps: Deps, queued: QueuedJob) -> str:
        """Say that the log is all there is; returns its SHA-256."""
        digest = sha256(self.WHOLE).hexdigest()
        with api_deps.sessions.begin() as db:
            db.execute(
                update(JobRun)
                .where(JobRun.id == queued.run_id)
                .values(final_log_chunks=4, final_log_bytes=len(self.WHOLE), final_log_sha256=digest)
            )
        return digest

    def test_a_complete_log_has_a_tag_for_conditions(
        self, admin: Api, api_deps: Deps, queued: QueuedJob, path: str
    ) -> None:
        assert "ETag" not in admin.get(path).headers
        digest = self.complete(api_deps, queued)
        answer = admin.get(path)
        assert answer.headers["ETag"] == f'"{digest}"'
        assert answer.headers["Repr-Digest"].startswith("sha-256=:")
        assert admin.get(path, headers={"If-None-Match": f'"{digest}"'}).status_code == 304
        assert admin.get(f"{path}?format=txt").headers["ETag"] == f'"{digest}-txt"'
        part = {"Range": "bytes=0-1", "If-Range": f'"{digest}"'}
        assert (admin.get(path, headers=part).status_code, admin.get(path, headers=part).data) == (206, b"PL")

    def test_an_archive_goes_as_it_lies_to_whom_takes_gzip(
        self, admin: Api, api_deps: Deps, queued: QueuedJob, path: str, store: ObjectStore
    ) -> None:
        self.complete(api_deps, queued)
        with api_deps.sessions.begin() as db:
            store_archive(db, store, queued.run_id, self.WHOLE, 10)
        gzipped = admin.get(path, headers={"Accept-Encoding": "gzip"})
        assert gzipped.headers["Content-Encoding"] == "gzip"
        assert zlib.decompressobj(31).decompress(gzipped.data) == self.WHOLE  # as one member
        for headers in ({"Accept-Encoding": "gzip;q=0"}, {"Accept-Encoding": "gzip", "Range": "bytes=0-"}):
            bare = admin.get(path, headers=headers)
            assert (bare.headers.get("Content-Encoding"), bare.data) == (None, self.WHOLE)

    def test_presigned_where_clients_reach_the_store(
        self, api_deps: Deps, queued: QueuedJob, path: str, store: ObjectStore
    ) -> None:
        self.complete(api_deps, queued)
        with api_deps.sessions.begin() as db:
            store_archive(db, store, queued.run_id, self.WHOLE, 10)
        s3 = api_deps.settings.s3
        objects = ObjectStore(replace(s3, public_endpoint=s3.endpoint))
        admin = Api(
            create_app(replace(api_deps, objects=objects)).test_client(), token_for(api_deps, "admin")
        )
        answer = admin.get(f"{path}?presigned=true")
        assert answer.status_code == 307
        address = answer.headers["Location"]
        assert s3.secret_key not in address
        with httpx.Client() as client:
            got = client.get(address)
            assert got.is_success
            # an S3 server that leaves `response-content-encoding` out hands over the gzip file itself
            body = got.content if got.headers.get("Content-Encoding") else gzip.decompress(got.content)
            assert body == self.WHOLE
            assert client.get(address.replace("X-Amz-Signature=", "X-Amz-Signature=0")).status_code == 403
        objects.close()

    def test_presigned_elsewhere_is_the_log_itself(self, admin: Api, path: str) -> None:
        assert admin.get(f"{path}?presigned=true").data == self.WHOLE

    @pytest.mark.parametrize("archived", [False, True])
    def test_lines(
        self,
        admin: Api,
        api_deps: Deps,
        queued: QueuedJob,
        path: str,
        store: ObjectStore,
        archived: bool,
    ) -> None:
        if archived:
            with api_deps.sessions.begin() as db:
                store_archive(db, store, queued.run_id, self.WHOLE, 7)
        lines = self.WHOLE.splitlines(keepends=True)
        for start, end in ((0, 1), (1, 2), (1, None), (0, None), (2, 3), (3, 9), (2, 2), (9, 1)):
            query = f"start_line={start}" + ("" if end is None else f"&end_line={end}")
            assert admin.get(f"{path}?{query}").data == b"".join(lines[start:end]), query
        assert admin.get(f"{path}?end_line=2&format=txt").data == b"PLAY [all]\nok: [web01] <&>\n"
        assert admin.get(f"{path}?start_line=x").status_code == 422

    def test_a_chunk_that_was_changed_is_not_told(
        self, admin: Api, path: str, queued: QueuedJob, store: ObjectStore
    ) -> None:
        store.put(chunk_key(queued.run_id, 0), self.PIECES[0][::-1])
        answer = admin.get(path)
        assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")

    def test_none_yet(self, admin: Api, queued: QueuedJob) -> None:
        path = f"/jobs/{queued.job_id}/log"
        assert (admin.get(path).status_code, admin.get(path).data) == (200, b"")
        assert admin.get(path, headers={"Range": "bytes=0-"}).status_code == 416

    def test_many_chunks(self, admin: Api, api_deps: Deps, queued: QueuedJob, store: ObjectStore) -> None:
        pieces = [f"line {number}\n".encode() * 50 for number in range(40)]
        with api_deps.sessions.begin() as db:
            store_log(db, store, queued.run_id, queued.job_id, pieces)
        assert admin.get(f"/jobs/{queued.job_id}/log").data == b"".join(pieces)

    def test_follow_stays_until_the_log_is_complete(
        self, admin: Api, api_deps: Deps, queued: QueuedJob, executor: Executor, store: ObjectStore
    ) -> None:
        run = executor.claim(queued)
        run.post("/start", {})

        def go_on() -> None:
            run.post("/finish", ending(log_chunks=4, log_bytes=len(self.WHOLE)))
            with api_deps.sessions.begin() as db:
                store_log(db, store, queued.run_id, queued.job_id, self.PIECES)

        timer = threading.Timer(0.3, go_on)
        timer.start()
        answer = admin.get(f"/job-runs/{queued.run_id}/log?follow=1")
        assert answer.data == self.WHOLE
        timer.join()

    def test_chunks_are_listed(self, admin: Api, path: str, queued: QueuedJob) -> None:
        del path
        page = admin.get(f"/job-runs/{queued.run_id}/log-chunks?after_seq=1").get_json()
        assert [chunk["seq"] for chunk in page["items"]] == [2, 3]
