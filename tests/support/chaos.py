"""Jobs on a fleet while its parts are killed, frozen, cut off, robbed and told the wrong time, by a seed."""

import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import redis
from drover_cli.local.health import is_ready
from drover_cli.local.servers import HOST

from support import diary
from support.fleet import NEEDS, SERVERS, Fleet, kind_of
from support.live import created
from support.projects import World, local_hosts, make_repository
from support.waiting import eventually
from support.wire import After, Cut

LEASE_SECONDS, GRACE_SECONDS = 12, 2
SETTINGS = {
    "DROVER_LEASE_SECONDS": str(LEASE_SECONDS),
    "DROVER_HEARTBEAT_SECONDS": "1",
    "DROVER_LEASE_GRACE_SECONDS": str(GRACE_SECONDS),
    "DROVER_EXECUTOR_SLOTS": "2",
    "DROVER_CLAIM_IDLE_SECONDS": "3",
}
MAX_ATTEMPTS = 10
CONTROL_PLANE = ("api", "scheduler-1", "event-ingest-1", "log-store-1", "redis", "postgres", "s3")
_AWAY_SECONDS = (0.5, 6.0)
_FREEZE_SECONDS = (0.5, 6.0)
_FREEZE_EXECUTOR_SECONDS = (0.5, 2.0 * LEASE_SECONDS)  # each run's guard must end it meanwhile
_WRONG_SECONDS = 600.0  # by so much a service's clock may be wrong; object stores refuse more
_FORWARD_SECONDS = (5.0, 60.0)  # the database's clock is set forward, by more than a lease
_OPEN_AT_ONCE = 3


@dataclass(order=True)
class Fault:
    """Something that is wrong until `until` (monotonic); `undo` puts it right."""

    until: float
    name: str = field(compare=False)
    undo: Callable[[], None] = field(compare=False)


@dataclass
class Chaos:
    """`diary` is a folder; `tell` hears of everything that is done, for a person to follow.

    `pace`: by how much longer, or shorter, each fault lasts.
    """

    fleet: Fleet
    seed: int
    diary: Path
    tell: Callable[[str], None] = print
    pace: float = 1.0
    launched: dict[str, int] = field(default_factory=dict)  # idempotency key → job id
    canceled: set[int] = field(default_factory=set)
    faults: dict[str, int] = field(default_factory=dict)  # kind → how many
    _ahead: float = 0.0  # the database's clock
    _open: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.diary.mkdir()

    def prepare(self, project: Path) -> None:
        """What launches need, in a fleet that is whole."""
        make_repository(project, diary.project(self.diary))
        with self.fleet.client() as client:
            self._headers = dict(client.headers)
            world = World.make(client, "chaos")
            inventory = world.inventory("chaos", local_hosts(*diary.HOSTS))
            template = world.template(
                "chaos",
                str(project),
                "site.yml",
                inventory,
                extra_vars={"diary": str(self.diary)},
                ask_extra_vars_on_launch=True,
                allow_simultaneous=True,
                max_attempts=MAX_ATTEMPTS,
            )
        self._template = template["id"]

    def run(self, jobs: int, done: Callable[[], float]) -> None:
        """Launch `jobs` while faults come and go, until `done` (0…1) is 1; then let all heal."""
        while (share := done()) < 1:
            if len(self.launched) < jobs * min(1.0, share + 0.2):
                self.launch(seconds=2.0)
            if len(self._open) < _OPEN_AT_ONCE:
                self._fault()
            self._pass(self.rng.uniform(0.1, 1.5))
        self.heal()
        while len(self.launched) < jobs:
            self.launch(seconds=90.0)

    def heal(self) -> None:
        """Everything runs and is ready, and nothing is cut."""
        for fault in self._open:
            fault.undo()
        self._open.clear()
        for name in self.fleet.names:
            port = self.fleet.ports[name]
            eventually(f"{name} is ready", lambda port=port: is_ready(HOST, port), 120)  # type: ignore[misc]

    @property
    def count(self) -> int:
        return sum(self.faults.values())

    def launch(self, seconds: float = 30.0, **fields: Any) -> None:
        """Until it is answered, or later again with the same idempotency key: it must happen once."""
        key = f"chaos-{self.seed}-{len(self.launched)}"
        with suppress(httpx.HTTPError):
            body, headers = {"job_template_id": self._template, **fields}, {"Idempotency-Key": key}
            answer = self._call("POST", "/jobs", body, headers, seconds)
            if answer.status_code < 500 and answer.status_code != 409:  # 409: its first try is still at work
                self.launched[key] = created(answer)["id"]

    # Faults

    def _fault(self) -> None:
        kinds: dict[str, tuple[int, Callable[[], bool]]] = {
            "kill": (5, self._kill),
            "freeze": (4, self._freeze),
            "cut": (6, self._cut),
            "rob": (1, self._rob),
            "cancel": (1, self._cancel),
        }
        if self.fleet.clocks.can_be_wrong:
            kinds["clock"] = (2, self._set_clock)
        weights = [weight for weight, _ in kinds.values()]
        kind = self.rng.choices(list(kinds), weights)[0]
        if kinds[kind][1]():
            self.faults[kind] = self.faults.get(kind, 0) + 1

    def _whole(self, names: list[str]) -> list[str]:
        """Those with nothing wrong now: a fault at a time for each."""
        wrong = {fault.name for fault in self._open}
        return [name for name in names if name not in wrong]

    def _pick(self, names: list[str]) -> str | None:
        """One of a kind first, so that the kinds with replicas are not hit more often."""
        whole = self._whole(names)
        if not whole:
            return None
        kind = self.rng.choice(sorted({kind_of(name) for name in whole}))
        return self.rng.choice([name for name in whole if kind_of(name) == kind])

    def _for(self, seconds: tuple[float, float], name: str, undo: Callable[[], None]) -> float:
        length = self.rng.uniform(*seconds) * self.pace
        self._open.append(Fault(time.monotonic() + length, name, undo))
        return length

    def _kill(self) -> bool:
        name = self._pick([*self.fleet.names, "postgres", "redis", "s3"])
        if name is None:
            return False
        self.fleet.kill(name)
        length = self._for(_AWAY_SECONDS, name, lambda: self.fleet.start_one(name))
        self.tell(f"kill -9 {name}, away for {length:.1f} s")
        return True

    def _freeze(self) -> bool:
        name = self._pick([*self.fleet.names, "postgres", "redis"])
        if name is None:
            return False
        self.fleet.signal(name, signal.SIGSTOP)
        seconds = _FREEZE_EXECUTOR_SECONDS if kind_of(name) == "executor" else _FREEZE_SECONDS
        length = self._for(seconds, name, lambda: self.fleet.signal(name, signal.SIGCONT))
        self.tell(f"freeze {name} for {length:.1f} s")
        return True

    def _cut(self) -> bool:
        name = self._pick(self.fleet.names)
        if name is None:
            return False
        ways = NEEDS[kind_of(name)]
        chosen = ways if self.rng.random() < 0.3 else (self.rng.choice(ways),)
        wires = [self.fleet.wires[name, way] for way in chosen]
        how = self.rng.choice([cut for cut in Cut if cut is not Cut.NONE])
        # A wire answers for its server below TCP, so PostgreSQL's clients could not tell that one is dead.
        afters = [after for after in After if after is not After.FORGET or "postgres" not in chosen]
        after = self.rng.choice(afters)
        for wire in wires:
            wire.cut(how)

        def undo() -> None:
            for wire in wires:
                wire.heal(after)

        length = self._for(_AWAY_SECONDS, name, undo)
        told = f"cut {name} from {' and '.join(chosen)} for {length:.1f} s: {how.value}"
        self.tell(f"{told}; then its connections {after.value}")
        return True

    def _rob(self) -> bool:
        """Messages vanish: the commands, or all that Redis holds."""
        if not self._whole(["redis"]):
            return False
        everything = self.rng.random() < 0.5
        self.tell("Redis loses everything" if everything else "the commands' queues are emptied")
        with suppress(redis.RedisError), self.fleet.redis() as client:
            client.flushall() if everything else client.delete("scheduler", "runs.default")
        return True

    def _cancel(self) -> bool:
        if not self.launched or len(self.canceled) * 10 > len(self.launched):
            return False
        job_id = self.rng.choice(sorted(self.launched.values()))
        self.tell(f"cancel job {job_id}")
        with suppress(httpx.HTTPError):
            if self._call("POST", f"/jobs/{job_id}/cancel", {}, {}, 2.0).is_success:
                self.canceled.add(job_id)
        return True

    def _set_clock(self) -> bool:
        """The database's is set forward alone: times in one story stay in their order."""
        name = self._pick([*self.fleet.names, "postgres"])
        if name == "postgres":
            self._ahead += self.rng.uniform(*_FORWARD_SECONDS)
            seconds = self._ahead
        else:
            seconds = self.rng.uniform(-_WRONG_SECONDS, _WRONG_SECONDS)
        if name is not None:
            self.fleet.clocks.set(name, seconds)
            self.tell(f"the clock of {name} is wrong by {seconds:.0f} s")
        return name is not None

    # Inside

    def _pass(self, seconds: float) -> None:
        """Let time go on, and put right what has been wrong long enough."""
        threading.Event().wait(seconds)
        now = time.monotonic()
        for fault in sorted(self._open):
            if fault.until <= now:
                self._open.remove(fault)
                fault.undo()

    def _call(
        self, method: str, path: str, body: Any, headers: dict[str, str], seconds: float
    ) -> httpx.Response:
        url = f"{self.fleet.url}/api/v1{path}"
        return httpx.request(method, url, json=body, headers={**self._headers, **headers}, timeout=seconds)


def outlive(chaos: Chaos, seconds: float) -> None:
    """Each part of the control plane in turn is away for so long while a playbook runs; then all at once.

    After that the playbook hurries to its end.
    """
    at_work = partial(_at_work, chaos)
    for names in [*([name] for name in CONTROL_PLANE), list(CONTROL_PLANE)]:
        eventually("the playbook works", at_work(), 120)
        chaos.tell(f"{', '.join(names)}: kill -9, away for {seconds:.0f} s")
        for name in reversed(names):
            chaos.fleet.kill(name)
        threading.Event().wait(seconds)
        eventually("the playbook works on", at_work(), 60)
        for name in sorted(names, key=lambda name: name not in SERVERS):
            chaos.fleet.start_one(name)
        chaos.heal()
    (chaos.diary / diary.HURRY).touch()


def _at_work(chaos: Chaos) -> Callable[[], bool]:
    """Whether any playbook has written since this call."""

    def pages() -> int:
        return sum(page.stat().st_size for page in chaos.diary.iterdir())

    before = pages()
    return lambda: pages() > before
