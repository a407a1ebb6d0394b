"""A log of any size through log-store and the API: the memory it takes, and that every byte comes back.

    python bench/log_flat.py [--mib 200]            (--mib 10240: 10 GiB; needs 13 GB of disk and 15 minutes)

Chunk objects and their rows are put as log-store leaves them; then the real log-store archives the log, and
the real API serves it: while it is still chunks (its beginning), from its archive decompressed, as it lies
compressed, its last bytes, and its last lines. The most memory that each process had resident is read from
/proc. Ends with status 1 where a byte is wrong.
"""

import argparse
import random
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import cycle, islice
from pathlib import Path

import httpx
from drover_shared.domain.keys import chunk_key
from drover_shared.messages.streams import MAX_CHUNK_BYTES
from drover_shared.objects import ObjectStore
from sqlalchemy import Engine, create_engine, text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from logs import PROMISE, ansible_output, api, make_reader, peak_mb
from support.api_process import Place
from support.runs import RunRow, make_run
from support.servers import StackServers, running_servers
from support.services import ServiceProcess, service_env
from support.waiting import eventually

BODIES = 64  # different chunks, repeated to the log's size
ROWS = text("""
    INSERT INTO log_chunks (job_run_id, seq, storage_key, byte_offset, byte_length, sha256)
    SELECT :run, seq, 'jobs/' || :run || '/chunk-' || lpad(seq::text, greatest(4, length(seq::text)), '0')
        || '.log', seq * :size, :size, (CAST(:digests AS text[]))[seq % :bodies + 1]
    FROM generate_series(0, CAST(:chunks AS bigint) - 1) AS seq
""")
PROGRESS = text("""
    INSERT INTO run_log_progress (job_run_id, job_id, received, bytes)
    VALUES (:run, :job, int8multirange(int8range(0, CAST(:chunks AS bigint))), :bytes)
""")
READY = text("SELECT ready_at IS NOT NULL FROM log_archives WHERE job_run_id = :run")


class Log:
    """The log, made anew at each look: it fits in no memory."""

    def __init__(self, mib: int) -> None:
        rng = random.Random(11)
        self.bodies = [ansible_output(rng, MAX_CHUNK_BYTES) for _ in range(BODIES)]
        self.chunks = mib * 1024 * 1024 // MAX_CHUNK_BYTES
        self.size = self.chunks * MAX_CHUNK_BYTES
        digest = sha256()
        for body in self.pieces():
            digest.update(body)
        self.sha256 = digest.hexdigest()

    def pieces(self) -> Iterator[bytes]:
        return islice(cycle(self.bodies), self.chunks)


def put(engine: Engine, store: ObjectStore, run: RunRow, log: Log) -> None:
    with ThreadPoolExecutor(8) as threads:
        for low in range(0, log.chunks, 1000):
            seqs = range(low, min(low + 1000, log.chunks))
            list(threads.map(lambda seq: store.put(chunk_key(run.id, seq), log.bodies[seq % BODIES]), seqs))
    digests = [sha256(body).hexdigest() for body in log.bodies]
    values = {"run": str(run.id), "job": run.job_id, "chunks": log.chunks, "bytes": log.size}
    with engine.begin() as connection:
        rows = {"size": MAX_CHUNK_BYTES, "digests": digests, "bodies": BODIES}
        connection.execute(ROWS, values | rows)
        connection.execute(PROGRESS, values)
        connection.execute(PROMISE, values | {"digest": log.sha256})


def resident_mb(pid: int) -> float:
    """The most that a process had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1000
    raise ValueError(f"no figure for process {pid}")


def read(client: httpx.Client, path: str, encoding: str) -> tuple[str, int, float]:
    """SHA-256 of the log, its size, and the seconds it took."""
    digest, size, started = sha256(), 0, time.monotonic()
    unpacker = zlib.decompressobj(31)
    with client.stream("GET", path, headers={"Accept-Encoding": encoding}) as answer:
        answer.raise_for_status()
        for piece in answer.iter_raw(1024 * 1024):
            rest = piece
            while rest:
                if encoding == "gzip":
                    body = unpacker.decompress(rest)
                    rest = unpacker.unused_data
                    if unpacker.eof:
                        unpacker = zlib.decompressobj(31)
                else:
                    body, rest = rest, b""
                digest.update(body)
                size += len(body)
    return digest.hexdigest(), size, time.monotonic() - started


def check(what: str, got: object, expected: object) -> None:
    if got != expected:
        raise SystemExit(f"{what}: {got!r} instead of {expected!r}")


def measure(servers: StackServers, mib: int) -> None:
    place = Place.make(servers)
    engine, store = create_engine(place.database_url), ObjectStore(place.s3, connections=10)
    run, token, log = make_run(engine), make_reader(engine), Log(mib)
    started = time.monotonic()
    put(engine, store, run, log)
    print(
        f"a log of {log.size / 1e6:.0f} MB in {log.chunks} chunks, put in {time.monotonic() - started:.0f} s"
    )
    path = f"/job-runs/{run.id}/log"
    with api(place, token, servers.home / "api.log") as (client, parent):
        client.get(path, headers={"Range": "bytes=0-99"}).raise_for_status()
        print(f"API before: {peak_mb(parent):.0f} MB")
        part = min(log.size, 256 * 1024 * 1024)
        answer = client.get(path, headers={"Range": f"bytes=0-{part - 1}"})
        check("the beginning, from chunks", len(answer.content), part)
        del answer
        environment = service_env(place.database_url, place.redis_url, place.s3)
        with ServiceProcess("drover_log_store", environment, servers.home / "log-store.log") as process:
            pid = process.pid
            started = time.monotonic()
            eventually("archived", lambda: is_ready(engine, run), 1200)
            took = time.monotonic() - started
            print(
                f"archived at {log.size / took / 1e6:.0f} MB/s; log-store at most {resident_mb(pid):.0f} MB"
            )
        for encoding in ("identity", "gzip"):
            digest, size, took = read(client, path, encoding)
            check(f"the whole log as {encoding}", (digest, size), (log.sha256, log.size))
            print(f"read as {encoding} at {size / took / 1e6:.0f} MB/s; API at most {peak_mb(parent):.0f} MB")
        tail = log.bodies[(log.chunks - 1) % BODIES][-1000:]
        started = time.monotonic()
        check("the last bytes", client.get(path, headers={"Range": "bytes=-1000"}).content, tail)
        print(f"the last 1000 bytes in {(time.monotonic() - started) * 1000:.0f} ms")
        lines = sum(body.count(b"\n") for body in log.pieces())
        started = time.monotonic()
        found = client.get(path, params={"start_line": lines - 3, "end_line": lines}).content
        check("the last lines", found, b"".join(tail.splitlines(keepends=True)[-3:]))
        print(f"3 lines before line {lines} in {(time.monotonic() - started) * 1000:.0f} ms")
        print(f"API at most {peak_mb(parent):.0f} MB")


def is_ready(engine: Engine, run: RunRow) -> bool:
    with engine.connect() as connection:
        return bool(connection.scalar(READY, {"run": run.id}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mib", type=int, default=200)
    options = parser.parse_args()
    with running_servers() as servers:
        measure(servers, options.mib)


if __name__ == "__main__":
    main()
