"""A Redis that takes connections and never answers holds no request up, and is rung again when it does."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from drover_shared.redis_address import RedisAddress
from support.api_process import ApiProcess, Known, Place, populate
from support.servers import StackServers
from support.waiting import eventually
from support.wire import After, Cut, Switchboard, Wire

REQUESTS = 10
SECONDS = 10.0  # for all of them together; one socket's time-out each would be more than a minute


@pytest.fixture
def known(stack_servers: StackServers) -> tuple[Place, Known]:
    place = Place.make(stack_servers)
    return place, populate(place)


@pytest.fixture
def wire(stack_servers: StackServers) -> Iterator[Wire]:
    board = Switchboard()
    yield board.connect(stack_servers.ports["redis"])
    board.close()


def test_no_request_waits_for_it(known: tuple[Place, Known], wire: Wire, tmp_path: Path) -> None:
    place, made = known
    port = RedisAddress.parse(place.redis_url).hosts[0][1]
    through = place.redis_url.replace(f":{port}/", f":{wire.port}/")
    api = ApiProcess(replace(place, redis_url=through), tmp_path / "api.log").start()
    user, run = _client(api, made.token), _client(api, made.run_token)
    claimed = f"/internal/api/v1/job-runs/{made.ids['claimed_run']}"
    batch = {"token": "drstream_of-the-test", "events": []}
    launch = {"job_template_id": 17}
    try:
        assert user.post("/api/v1/jobs", json=launch).status_code == 201
        wire.cut(Cut.HOLE)
        began = time.monotonic()
        for _ in range(REQUESTS):
            assert user.post("/api/v1/jobs", json=launch).status_code == 201
            assert run.post(f"{claimed}/start", json={"project_revision": None}).is_success
            assert run.put(f"{claimed}/heartbeat", json={"last_seq": 0, "last_log_seq": -1}).is_success
            assert run.post(f"{claimed}/events", json=batch).status_code == 503
        assert time.monotonic() - began < SECONDS
        wire.heal(After.RESUME)
        client = RedisAddress.parse(place.redis_url).client()

        def rung() -> bool:
            user.post("/api/v1/jobs", json=launch)
            return bool(client.llen("scheduler"))

        client.delete("scheduler")
        eventually("the scheduler is rung for again", rung)
        client.close()
    finally:
        api.stop()


def _client(api: ApiProcess, token: str) -> httpx.Client:
    return httpx.Client(base_url=api.url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
