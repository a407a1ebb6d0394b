"""A log read through the API, against the same bytes straight from the object store, in one run.

    python bench/logs.py [--mib 128] [--rounds 3]

Both sides read from the same real S3 server. The store is asked for one object that holds the whole log, the
least that can be asked of it, and for the chunks one after the other. The API is the real process; it serves
the log from its chunks, and then from the archive that log-store makes of a finished log.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from itertools import cycle, islice
from pathlib import Path

import httpx
from drover_log_store.archiving import Archiver
from drover_shared.db.models import Token, User
from drover_shared.domain.keys import chunk_key
from drover_shared.ids import new_token, token_hash
from drover_shared.messages.streams import MAX_CHUNK_BYTES
from drover_shared.objects import ObjectStore
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.api_process import ApiProcess, Place
from support.output_rows import store_log
from support.runs import RunRow, make_run
from support.servers import StackServers, running_servers

WHOLE = "whole.log"
PROMISE = text(
    "UPDATE job_runs SET final_log_chunks = :chunks, final_log_bytes = :bytes, final_log_sha256 = :digest"
    " WHERE id = :run"
)
PIECE = 1024 * 1024  # bytes that the reader of the API's answer takes at a time


def ansible_output(rng: random.Random, size: int) -> bytes:
    """Exactly so many bytes as Ansible prints them for a few thousand hosts; the last line ends there."""
    lines, length = [], 0
    while length < size:
        line = (
            f'\x1b[0;32mok: [web{rng.randrange(5000):04}.example.com] => {{"changed": false, "checksum":'
            f' "{rng.randbytes(10).hex()}", "size": {rng.randrange(1 << 20)}, "path": "/etc/nginx/conf.d/'
            f'site-{rng.randrange(300)}.conf"}}\x1b[0m\n'
        ).encode()
        lines.append(line)
        length += len(line)
    return b"".join(lines)[: size - 1] + b"\n"


def store_it(engine: Engine, store: ObjectStore, run: RunRow, mib: int) -> int:
    """The log as log-store keeps it, and once more as one object; its size in bytes."""
    rng = random.Random(5)
    bodies = [ansible_output(rng, MAX_CHUNK_BYTES) for _ in range(32)]
    pieces = list(islice(cycle(bodies), mib * 1024 * 1024 // MAX_CHUNK_BYTES))
    whole = b"".join(pieces)
    store.put(WHOLE, whole)
    with Session(engine) as db, db.begin():
        store_log(db, store, run.id, run.job_id, pieces)
        promised = {"chunks": len(pieces), "bytes": len(whole), "digest": sha256(whole).hexdigest()}
        db.execute(PROMISE, promised | {"run": run.id})
    return len(whole)


def make_reader(engine: Engine) -> str:
    """A token of an administrator."""
    token = new_token("drv")
    with Session(engine) as db, db.begin():
        user = User(username="bench", is_superuser=True)
        db.add(user)
        db.flush()
        db.add(Token(user_id=user.id, token_hash=token_hash(token), scope="read"))
    return token


@contextmanager
def api(
    place: Place, token: str, log: Path, settings: Mapping[str, str] | None = None
) -> Iterator[tuple[httpx.Client, int]]:
    """A client of an API process that is ready, and the process's id."""
    # readers share one token, and none is to be slowed down
    quiet = {"DROVER_LOG_LEVEL": "error", "DROVER_API_REQUESTS_PER_SECOND": "0"}
    headers = {"Authorization": f"Bearer {token}"}
    with (
        ApiProcess(place, log, quiet | dict(settings or {})) as process,
        httpx.Client(base_url=f"{process.url}/api/v1", headers=headers, timeout=60) as client,
    ):
        yield client, process.pid


def seconds(pieces: Callable[[], Iterable[bytes]], size: int) -> float:
    """How long it takes to read all of them. Raises ValueError where there are not `size` bytes."""
    started = time.perf_counter()
    read = sum(len(piece) for piece in pieces())
    took = time.perf_counter() - started
    if read != size:
        raise ValueError(f"{read} bytes instead of {size}")
    return took


def peak_mb(parent: int) -> float:
    """The most memory that the process's children had resident, in MB, added up; 0 without /proc."""
    peak = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except FileNotFoundError:
            continue  # it ended meanwhile
        if int(fields["PPid"]) == parent:
            peak += int(fields.get("VmHWM", "0 kB").split()[0])
    return peak / 1000


def measure(servers: StackServers, mib: int, rounds: int) -> None:
    place = Place.make(servers)
    engine, store = create_engine(place.database_url), ObjectStore(place.s3)
    run, token = make_run(engine), make_reader(engine)
    size = store_it(engine, store, run, mib)
    keys = [chunk_key(run.id, seq) for seq in range(size // MAX_CHUNK_BYTES)]
    print(f"a log of {size / 1e6:.0f} MB in {len(keys)} chunks")
    with api(place, token, servers.home / "api.log") as (client, process):

        def answer(encoding: str) -> Iterator[bytes]:
            headers = {"Accept-Encoding": encoding}
            with client.stream("GET", f"/job-runs/{run.id}/log", headers=headers) as reply:
                yield from reply.raise_for_status().iter_bytes(PIECE)

        def compare(what: str, encoding: str = "identity") -> None:
            ratios, beside_chunks = [], []
            for _ in range(rounds):
                whole = seconds(lambda: store.stream(WHOLE), size)
                chunks = seconds(lambda: map(store.get, keys), size)
                served = seconds(lambda: answer(encoding), size)
                ratios.append(whole / served)
                beside_chunks.append(chunks / served)
                rates = ", ".join(f"{size / took / 1e6:>5.0f}" for took in (whole, chunks, served))
                print(f"  one object, its chunks, the API: {rates} MB/s   ratio {ratios[-1]:.2f}")
            one, many = statistics.median(ratios), statistics.median(beside_chunks)
            print(f"ratio, {what}: {one:.2f} of one object, {many:.2f} of its chunks (target: at least 0.5)")

        client.get(f"/job-runs/{run.id}/log", headers={"Range": "bytes=0-99"}).raise_for_status()  # warm
        before = peak_mb(process)
        compare("from the log's chunks")
        started = time.perf_counter()
        Archiver(engine, store).archive_next()
        print(f"archived at {size / (time.perf_counter() - started) / 1e6:.0f} MB/s")
        compare("from its archive, decompressed by the API")
        compare("from its archive as it lies, decompressed by the reader", "gzip")
        print(f"memory of the API, at most: {before:.0f} MB before, {peak_mb(process):.0f} MB after")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mib", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with running_servers() as servers:
        measure(servers, options.mib, options.rounds)


if __name__ == "__main__":
    main()
