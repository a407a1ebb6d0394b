"""The API as a process of its own: live readers over real sockets, and a stop that they do not hold up."""

import http.client
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from drover_api.deps import Deps
from drover_api.settings import ApiSettings
from drover_cli.local.ports import choose_port
from drover_shared.db.models import Token
from drover_shared.ids import token_hash
from sqlalchemy import delete
from support.api import REGISTRATION_TOKEN, token_for
from support.event_streams import EventReader
from support.job_rows import QueuedJob, add_queued_job
from support.output_rows import store_events, store_log
from support.services import ServiceProcess
from support.waiting import eventually


def environment(settings: ApiSettings, port: int) -> dict[str, str]:
    return {
        "DROVER_DATABASE_URL": settings.database_url,
        "DROVER_REDIS_URL": settings.redis_url,
        "DROVER_S3_ENDPOINT": settings.s3.endpoint,
        "DROVER_S3_BUCKET": settings.s3.bucket,
        "DROVER_S3_ACCESS_KEY": settings.s3.access_key,
        "DROVER_S3_SECRET_KEY": settings.s3.secret_key,
        "DROVER_SECRET_KEYS": ",".join(settings.secret_keys),
        "DROVER_REGISTRATION_TOKEN": settings.registration_token,
        "DROVER_PORT": str(port),
        "DROVER_API_WORKERS": "1",
        "DROVER_API_LIVE_RECHECK_SECONDS": "1",
    }


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture
def port(api_settings: ApiSettings, api_deps: Deps, tmp_path: Path) -> Iterator[int]:
    """Where the process answers."""
    del api_deps  # for the users and tokens in the database
    port = choose_port(None, set(), random.Random())
    with ServiceProcess("drover_api", environment(api_settings, port), tmp_path / "api.log"):
        eventually("the API is ready", lambda: answers(port), 60)
        yield port


def test_a_live_reader_gets_events_as_they_come_and_does_not_hold_up_a_stop(
    port: int, api_deps: Deps, queued: QueuedJob
) -> None:
    reader = EventReader(port, f"/jobs/{queued.job_id}/events", token_for(api_deps, "admin", "read"))
    assert reader.status == http.HTTPStatus.OK
    with api_deps.sessions.begin() as db:
        store_events(db, queued.run_id, queued.job_id, [1])
    assert reader.next_id() == "1"


def test_readers_that_come_and_go_miss_nothing_and_see_nothing_twice(
    port: int, api_deps: Deps, queued: QueuedJob
) -> None:
    count, batch = 240, 6
    path, token = f"/jobs/{queued.job_id}/events", token_for(api_deps, "admin", "read")
    other = token_for(api_deps, "admin", "read")

    def read(seed: int) -> list[str]:
        rng, seen = random.Random(seed), [""]
        while seen[-1] != str(count):
            with EventReader(port, path, token, seen[-1]) as reader:
                for _ in range(rng.randint(1, 80)):
                    seen.append(reader.next_id() or "the stream ended")
                    if seen[-1] == str(count):
                        break
        return seen[1:]

    whole = [str(seq) for seq in range(1, count + 1)]
    with (
        ThreadPoolExecutor(12) as readers,
        EventReader(port, path, token) as sleeper,
        EventReader(port, path, other) as revoked,
    ):
        reading = [readers.submit(read, seed) for seed in range(12)]
        for first in range(1, count, batch):
            with api_deps.sessions.begin() as db:
                store_events(db, queued.run_id, queued.job_id, range(first, first + batch))
            api_deps.redis.publish(f"drover:run:{queued.run_id}", "events")
        with api_deps.sessions.begin() as db:
            db.execute(delete(Token).where(Token.token_hash == token_hash(other)))
        for one in reading:
            assert one.result() == whole
        assert [sleeper.next_id() for _ in whole] == whole
        assert [revoked.next_id() for _ in range(count + 1)][-1] is None
    assert EventReader(port, path, other).status == http.HTTPStatus.UNAUTHORIZED


def test_executors_that_wait_hold_no_thread_and_one_of_them_gets_a_run(port: int, api_deps: Deps) -> None:
    waiters, threads = 20, 16  # the latter is what the process has
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/internal/api/v1", timeout=30) as client:
        registration = {"name": "one", "pools": ["default"], "slots": 2, "version": "1"}
        headers = {"Authorization": f"Bearer {REGISTRATION_TOKEN}"}
        known = client.post("/executors", json=registration, headers=headers).raise_for_status().json()
        client.headers["Authorization"] = f"Bearer {known['token']}"

        def wait() -> httpx.Response:
            return client.post(f"/executors/{known['id']}/next", json={"wait_seconds": 12})

        def count() -> float:
            metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
            return float(metrics.split("\ndrover_api_live_readers ")[1].split("\n", 1)[0])

        with ThreadPoolExecutor(waiters) as pool:
            waiting = [pool.submit(wait) for _ in range(waiters)]
            eventually("more wait than there are threads", lambda: count() > threads, 30)
            with api_deps.sessions.begin() as db:
                queued = add_queued_job(db)
            answers = [one.result() for one in waiting]
    told = [answer.json()["job_run_id"] for answer in answers if answer.status_code == http.HTTPStatus.OK]
    assert set(told) == {str(queued.run_id)}
    assert len(told) <= 7  # it was offered again every two seconds, while nobody claimed it
    assert all(answer.status_code == http.HTTPStatus.NO_CONTENT for answer in answers if not answer.content)


def test_slow_readers_of_a_large_log_hold_no_thread(port: int, api_deps: Deps, queued: QueuedJob) -> None:
    readers = 40  # more than the process has threads
    pieces = [b"ok: [web01]\n" * 20_000] * 12
    with api_deps.sessions.begin() as db:
        store_log(db, api_deps.objects, queued.run_id, queued.job_id, pieces)
    headers = {"Authorization": f"Bearer {token_for(api_deps, 'admin', 'read')}"}
    path = f"/api/v1/jobs/{queued.job_id}"
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=30) for _ in range(readers)]
    for connection in connections:
        connection.request("GET", f"{path}/log", headers=headers)
    answers = [connection.getresponse() for connection in connections]
    assert all(answer.read(1) == b"o" for answer in answers)
    plain = httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=20)
    assert plain.json()["id"] == queued.job_id
    assert b"o" + answers[-1].read() == b"".join(pieces)
    for connection in connections:
        connection.close()
