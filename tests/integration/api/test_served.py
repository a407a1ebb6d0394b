"""The served API: many writers at once, what is no HTTP, and a short fuzz of every operation."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier

import httpx
import pytest
from drover_shared.db.models import Job
from sqlalchemy import create_engine, func, select, text
from support.api_process import ApiProcess, Known, Place, populate, raw_exchange
from support.fuzz import fuzz
from support.servers import StackServers

POSTS = 100
SHORT = ("--phases", "examples,stateful", "--max-examples", "2", "--seed", "1", "--generation-deterministic")


@dataclass(frozen=True)
class Served:
    url: str
    place: Place
    known: Known
    process: ApiProcess

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.known.token}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=60)

    def count(self, *conditions: str) -> int:
        engine = create_engine(self.place.database_url)
        try:
            with engine.connect() as connection:
                query = select(func.count()).select_from(Job).where(*map(text, conditions))
                return connection.scalar(query) or 0
        finally:
            engine.dispose()

    def execute(self, statement: str) -> None:
        engine = create_engine(self.place.database_url)
        try:
            with engine.begin() as connection:
                connection.execute(text(statement))
        finally:
            engine.dispose()


@pytest.fixture(scope="module")
def served(stack_servers: StackServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = Place.make(stack_servers)
    known = populate(place)
    log = tmp_path_factory.mktemp("served") / "api.log"
    with ApiProcess(place, log, {"DROVER_API_WORKERS": "2"}) as process:
        yield Served(process.url, place, known, process)


def together(times: int, call: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """`call` from as many threads at the same moment."""
    barrier = Barrier(times)

    def one(number: int) -> httpx.Response:
        barrier.wait(30)
        return call(number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def test_a_hundred_posts_with_one_key_are_one_job(served: Served) -> None:
    before, headers = served.count(), {"Idempotency-Key": "a hundred at once"}
    body = {"job_template_id": 17, "extra_vars": {"version": "1.2.3"}}
    with served.client() as client:
        answers = together(POSTS, lambda _: client.post("/jobs", json=body, headers=headers))
        assert Counter(answer.status_code for answer in answers) == {201: POSTS}
        assert served.count() == before + 1
        first = answers[0]
        for answer in answers:
            assert answer.json() == first.json()
            assert answer.headers["Location"] == first.headers["Location"]
            assert answer.headers["ETag"] == first.headers["ETag"]
        replayed = Counter(answer.headers.get("Idempotent-Replayed") for answer in answers)
        assert replayed == {"true": POSTS - 1, None: 1}

        other = client.post("/jobs", json=body | {"verbosity": 1}, headers=headers)
        assert other.status_code == 422
        assert other.json()["errors"][0]["pointer"] == "Idempotency-Key"
        elsewhere = client.post("/bulk/jobs", json={"jobs": [body]}, headers=headers)
        assert elsewhere.status_code == 422

        served.execute("UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 second'")
        late = client.post("/jobs", json=body, headers=headers)
        assert late.status_code == 201
        assert "Idempotent-Replayed" not in late.headers
        assert late.json()["id"] != first.json()["id"]
        assert served.count() == before + 2


def test_a_refused_launch_does_not_use_its_key_up(served: Served) -> None:
    headers = {"Idempotency-Key": "refused first"}
    before = served.count()
    with served.client() as client:
        for _ in range(2):
            assert client.post("/jobs", json={"job_template_id": 10**9}, headers=headers).status_code == 422
        assert client.post("/jobs", json={"job_template_id": 17}, headers=headers).status_code == 201
    assert served.count() == before + 1


def test_of_many_writers_with_one_etag_one_wins(served: Served) -> None:
    with served.client() as client:
        tag = client.get("/inventories/42").headers["ETag"]
        answers = together(
            16,
            lambda n: client.patch(
                "/inventories/42", json={"description": f"writer {n}"}, headers={"If-Match": tag}
            ),
        )
        assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 15}
        [won] = [answer for answer in answers if answer.status_code == 200]
        assert client.get("/inventories/42").json() == won.json()


RAW: tuple[tuple[bytes, str], ...] = (
    (b"NONSENSE\r\n\r\n", "400"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"),  # TLS
    (b"GET / HTTP/9.9\r\n\r\n", "4,5"),
    (b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", "4"),
    (b"GET /api/v1/jobs?name=%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 20_000), "414"),
    (b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n" % (b"x" * 20_000), "431"),
    (b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X-Many: 1\r\n" * 500 + b"\r\n", "431"),
    (b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: <script>\r\n\r\n", "400"),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n", "400"),
    (b"GET / HTTP/1.1\r\nHost: x\r\n folded: 1\r\n\r\n", "400"),
    (b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", "400"),
    (b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n", "400"),
    (b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: zip\r\n\r\n", "4,5"),
    (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "4",
    ),
    (b"POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", "4"),
)


def test_what_is_no_http_is_answered_by_a_problem(served: Served) -> None:
    for request, allowed in RAW:
        head, _, body = raw_exchange(served.url, request).partition(b"\r\n\r\n")
        status = head.split(b" ")[1].decode()
        assert status.startswith(tuple(allowed.split(","))), (request[:60], head)
        assert b"content-type: application/problem+json" in head.lower(), (request[:60], head)
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert length is not None, head
        problem = json.loads(body[: int(length[1])])  # what follows on the connection is another answer
        assert problem["status"] == int(status)
        assert b"<" not in body
    with served.client() as client:
        assert client.get("/me").status_code == 200


def test_a_body_of_unknown_length_is_limited_too(served: Served) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"name": "'
        for _ in range(100):
            yield b"x" * 100_000
        yield b'"}'

    with served.client() as client:
        headers = {"Content-Type": "application/json"}
        answer = client.post("/organizations", content=pieces(), headers=headers)
        assert answer.status_code == 413
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_short_fuzz_of_every_operation(served: Served, tmp_path: Path) -> None:
    done = fuzz(served.url, served.known, tmp_path, *SHORT, timeout=300)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert "request_failed" not in served.process.log_text()
