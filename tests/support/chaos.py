"""Jobs on a whole stack while its parts are killed, frozen and robbed of their messages, by a seed."""

import json
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import redis
from drover_cli.local.health import is_ready
from drover_cli.local.servers import HOST

from support.live import LiveStack, created
from support.projects import World, local_hosts, make_repository
from support.waiting import eventually

SETTINGS = {
    "DROVER_LEASE_SECONDS": "8",
    "DROVER_HEARTBEAT_SECONDS": "1",
    "DROVER_LEASE_GRACE_SECONDS": "2",
    "DROVER_EXECUTOR_SLOTS": "3",
}
KILLED = ("api", "scheduler", "event-ingest", "log-store", "executor", "redis", "postgres")
FROZEN = ("api", "scheduler", "event-ingest", "log-store", "executor", "redis")
MAX_ATTEMPTS = 10
HOSTS, STEPS = ("one", "two"), 4
# Each step leaves its attempt's id and the time in the diary, so that overlapping attempts betray themselves.
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Step
      shell: echo "$DROVER_JOB_RUN_ID $(date +%s%N)" >> "{{ diary }}/$DROVER_JOB_RUN_ID"; sleep 0.3
      loop: [1, 2, 3, 4]
    - debug: {msg: "end"}
"""
_FREEZE_SECONDS = (0.5, 4.0)  # shorter than a lease: a frozen executor cannot stop its own work


@dataclass
class Chaos:
    """`diary` is a folder; `tell` hears of everything that is done, for a person to follow."""

    stack: LiveStack
    seed: int
    diary: Path
    tell: Callable[[str], None] = print
    launched: dict[str, int] = field(default_factory=dict)  # idempotency key → job id
    canceled: set[int] = field(default_factory=set)
    faults: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.diary.mkdir()

    def prepare(self, project: Path) -> None:
        """What launches need, in a stack that is whole."""
        make_repository(project, {"site.yml": PLAYBOOK})
        with self.stack.client() as client:
            self._headers = dict(client.headers)
            world = World.make(client, "chaos")
            inventory = world.inventory("chaos", local_hosts(*HOSTS))
            template = world.template(
                "chaos",
                str(project),
                "site.yml",
                inventory,
                extra_vars={"diary": str(self.diary)},
                allow_simultaneous=True,
                max_attempts=MAX_ATTEMPTS,
            )
        self._template = template["id"]

    def run(self, jobs: int, done: Callable[[], float]) -> None:
        """Launch `jobs` while one fault follows the other, until `done` (0…1) is 1; then let all heal."""
        while (share := done()) < 1:
            while len(self.launched) < jobs * min(1.0, share + 0.3):
                self.launch()
            self._fault()
        while len(self.launched) < jobs:
            self.launch()
        self.heal()

    def launch(self) -> None:
        """Until it is answered, always with the same idempotency key: it must happen once."""
        key = f"chaos-{self.seed}-{len(self.launched)}"
        body = {"job_template_id": self._template}

        def post() -> dict[str, Any] | None:
            with suppress(httpx.HTTPError):
                answer = self._call("POST", "/jobs", body, {"Idempotency-Key": key})
                return None if answer.status_code >= 500 else created(answer)
            return None

        self.launched[key] = eventually("a launch is answered", post, 90)["id"]

    def heal(self) -> None:
        for name in FROZEN:
            with suppress(ProcessLookupError):
                self.stack.signal(name, signal.SIGCONT)
        eventually("the API is ready", lambda: is_ready(HOST, self.stack.service("api").port), 90)

    def _fault(self) -> None:
        weighted: list[Callable[[], None]] = [self._kill] * 4 + [self._freeze] * 3 + [self._rob, self._cancel]
        self.rng.choice(weighted)()
        self.faults += 1
        self._pause(self.rng.uniform(0.2, 2.0))

    def _kill(self) -> None:
        name = self.rng.choice(KILLED)
        self.tell(f"kill -9 {name}")
        self.stack.kill(name)

    def _freeze(self) -> None:
        name, seconds = self.rng.choice(FROZEN), self.rng.uniform(*_FREEZE_SECONDS)
        self.tell(f"freeze {name} for {seconds:.1f} s")
        with self._frozen(name):
            self._pause(seconds)

    @contextmanager
    def _frozen(self, name: str) -> Iterator[None]:
        self.stack.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                self.stack.signal(name, signal.SIGCONT)

    def _rob(self) -> None:
        """Messages vanish: the commands, or all that Redis holds."""
        everything = self.rng.random() < 0.5
        self.tell("Redis loses everything" if everything else "the commands' queues are emptied")
        with suppress(redis.RedisError), self.stack.redis() as client:
            client.flushall() if everything else client.delete("scheduler", "runs.default")

    def _cancel(self) -> None:
        if not self.launched:
            return
        job_id = self.rng.choice(sorted(self.launched.values()))
        self.tell(f"cancel job {job_id}")
        with suppress(httpx.HTTPError):
            if self._call("POST", f"/jobs/{job_id}/cancel", {}).is_success:
                self.canceled.add(job_id)

    def _call(
        self, method: str, path: str, body: Any, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        content = json.dumps(body).encode()
        return httpx.request(
            method,
            f"{self.stack.url}/api/v1{path}",
            content=content,
            headers={**self._headers, "Content-Type": "application/json", **(headers or {})},
            timeout=10,
        )

    def _pause(self, seconds: float) -> None:
        threading.Event().wait(seconds)
