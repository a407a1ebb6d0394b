"""From a launch to its claim, the whole way through real processes, beside the API's part of it alone.

    python bench/launch.py [--seconds 10] [--rate 20 50]

A client launches at a steady rate, first at one that leaves the processors some air. The API stores, the
scheduler decides, the queue rings, and an executor's part in this process hears the ring and claims over
HTTP. All of it shares one machine's processors. The first launches are told apart: at the first rate they
come to processes that have just started, and build what all later ones use.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from drover_cli.api import ApiClient
from drover_cli.conformance.kit import Kit
from drover_executor.doorbell import DoorbellListener
from sqlalchemy import create_engine, text
from support.live import LiveStack

MEASURED = ("api", "scheduler", "event-ingest", "log-store", "executor", "redis", "postgres")
FIRST = 20  # launches at the beginning of each rate
ADMIN_PASSWORD = "DROVER_ADMIN_PASSWORD"  # noqa: S105 - the variable's name


class Claimer(threading.Thread):
    """Claims what rings, and nothing more; `at` tells when each run was its own."""

    def __init__(self, kit: Kit, redis_url: str) -> None:
        super().__init__(daemon=True)
        self._kit, self._url = kit, redis_url
        self.at: dict[UUID, float] = {}
        self.stop = threading.Event()

    def run(self) -> None:
        listener = DoorbellListener(self._url, (self._kit.name,))
        with ThreadPoolExecutor(8) as slots:
            while not self.stop.is_set():
                run_id = listener.next_run(0.5)
                if run_id is not None:
                    slots.submit(self._claim, run_id)
        listener.close()

    def _claim(self, run_id: UUID) -> None:
        answer = self._kit.claim(run_id, self._kit.one)
        claimed = time.perf_counter()
        if answer.status_code == HTTPStatus.OK:
            self.at[run_id] = claimed


def measure(stack: LiveStack, launches: int, rate: float) -> None:
    with (
        ApiClient(stack.url) as api,
        ThreadPoolExecutor(8) as clients,
    ):
        api.login("admin", stack.environment[ADMIN_PASSWORD], "bench")
        with closing(Kit(stack.url, api, stack.home.secrets().registration_token)) as kit:
            claimer = Claimer(kit, stack.redis_url())
            claimer.start()

            def launch(_number: int) -> tuple[int, float, float]:
                begun = time.perf_counter()
                return kit.launch(), begun, time.perf_counter()

            own = time.process_time()
            before = stack.cpu_seconds(MEASURED)
            pace = threading.Event()
            begun = time.perf_counter()
            made = []
            for number in range(launches):
                pace.wait(max(0.0, begun + number / rate - time.perf_counter()))
                made.append(clients.submit(launch, number))
            answers = [each.result() for each in made]
            deadline = time.perf_counter() + 60
            while len(claimer.at) < launches and time.perf_counter() < deadline:
                pace.wait(0.05)
            claimer.stop.set()
            claimer.join()
    if len(claimer.at) < launches:
        raise SystemExit(f"only {len(claimer.at)} of {launches} were claimed")
    runs = runs_of_jobs(stack)
    used = {name: each - before[name] for name, each in stack.cpu_seconds(MEASURED).items()}
    used["this bench"] = time.process_time() - own
    each = "   ".join(f"{name} {seconds / launches * 1e3:.1f}" for name, seconds in used.items())
    print(f"  processor time a launch, ms: {each}")
    claims = [claimer.at[runs[job_id]] - begun for job_id, begun, _ in answers]
    tell("launch answered", [answered - begun for _, begun, answered in answers[FIRST:]])
    tell("launch → claimed", claims[FIRST:])
    tell(f"the first {FIRST}", claims[:FIRST])


def runs_of_jobs(stack: LiveStack) -> dict[int, UUID]:
    engine = create_engine(stack.database_url())
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT job_id, id FROM job_runs")).all()
    engine.dispose()
    return {row.job_id: row.id for row in rows}


def tell(what: str, seconds: list[float]) -> None:
    times = sorted(seconds)
    p50, p99 = (times[min(len(times) - 1, int(len(times) * share))] * 1e3 for share in (0.5, 0.99))
    print(f"  {what:<18} p50 {p50:>6.0f} ms   p99 {p99:>6.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10, help="of each rate")
    parser.add_argument("--rate", type=float, nargs="+", default=[20, 50], help="launches a second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="drover-bench-") as home:
        stack = LiveStack(Path(home) / "home", {})
        stack.start()
        try:
            for rate in options.rate:
                print(f"{rate:g} launches a second, load {os.getloadavg()[0]:.1f}")
                measure(stack, round(rate * options.seconds), rate)
        finally:
            stack.stop()


if __name__ == "__main__":
    main()
