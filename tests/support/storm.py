"""Workers of a service killed as often as one likes while their stream is kept full, by a seed."""

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import redis
from sqlalchemy import Engine, create_engine

from support.servers import StackServers, running_servers
from support.waiting import eventually

WAITING = 60  # entries that are kept in the stream
T = TypeVar("T")


@dataclass(frozen=True)
class Storm:
    """How many kills of which workers, how long one lives on average, and the size of each run under it.

    `size`: how many events, or chunks of its log, a run has.
    """

    seed: int
    kills: int
    size: int
    seconds_between: float
    workers: int = 3


@dataclass(frozen=True)
class Outcome:
    storm: Storm
    runs: int
    sends: int
    seconds: float

    @property
    def kills(self) -> int:
        return self.storm.kills

    @property
    def total(self) -> int:
        """The events, or chunks, of all runs."""
        return self.storm.size * self.runs


@contextmanager
def killer(module: str, env: Mapping[str, str], log: Path) -> Iterator[Any]:
    """A function that kills worker N of a service and starts it anew."""
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "support.zygote", module],
            env={**os.environ, **env, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            bufsize=1,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def kill(number: int) -> None:
        stdin.write(f"{number}\n")
        answer = stdout.readline().strip()
        assert answer == "ok", f"worker {number} {answer}: {log.read_text()[-2000:]}"

    try:
        yield kill
    finally:
        stdin.close()
        process.wait(20)
        stdout.close()


def under_fire(
    client: "redis.Redis",
    stream: str,
    storm: Storm,
    rng: random.Random,
    kill: Callable[[int], None],
    more: Callable[[], list[T]],
    send: Callable[[T], object],
) -> int:
    """Kill workers while `stream` is kept full of what `more` gives, in any order; until it is empty again.

    Returns how many entries were sent.
    """
    unsent: list[T] = []
    sends = 0
    for number in range(storm.workers):
        kill(number)
    for _ in range(storm.kills):
        for _ in range(WAITING - _length(client, stream)):
            if not unsent:
                unsent = more()
                rng.shuffle(unsent)
            send(unsent.pop())
            sends += 1
        time.sleep(rng.expovariate(1 / storm.seconds_between))
        kill(rng.randrange(storm.workers))
    for one in unsent:
        send(one)
    eventually("an empty stream", lambda: _length(client, stream) == 0, 120)
    return sends + len(unsent)


def _length(client: "redis.Redis", stream: str) -> int:
    length: Any = client.xlen(stream)
    return int(length)


def command(
    about: str,
    usual: Storm,
    ride: Callable[[StackServers, Engine, str, str, Path, Storm], Outcome],
    tell: Callable[[Outcome], str],
) -> int:
    """`--kills` and `--seed` of a storm like `usual`, on servers of its own; returns an exit status."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--kills", type=int, default=usual.kills)
    parser.add_argument("--seed", type=int, default=usual.seed)
    options = parser.parse_args()
    storm = replace(usual, seed=options.seed, kills=options.kills)
    with running_servers("drover-kills-") as servers:
        url, redis_url = servers.database_url(servers.make_database()), servers.redis_url(1)
        engine = create_engine(url)
        try:
            found = ride(servers, engine, url, redis_url, servers.home / "workers.log", storm)
        except AssertionError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        finally:
            engine.dispose()
    sys.stdout.write(f"seed {storm.seed}: {found.kills} kills in {found.seconds:.0f} s, {tell(found)}\n")
    return 0
