"""The one process that keeps a stack: starts everything in order, restarts what crashed, stops it all.

`python -m drover_cli.local.supervisor` with DROVER_HOME and DROVER_PORT; it runs until it is told to stop.
Nothing outlives it: every child asks the kernel for a stop signal at its parent's death.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from drover_cli.local.errors import LocalError
from drover_cli.local.home import SERVERS, WORKERS, Home
from drover_cli.local.process import POLL_SECONDS, Child, Program, last_line, wait_until
from drover_cli.local.specs import Specs, Unit
from drover_cli.local.state import (
    ServiceState,
    StackState,
    identity,
    is_alive,
    read_state,
    supervisor_lock,
    write_state,
)
from drover_cli.local.waker import StopRequested, Waker

START_SECONDS = 180.0  # the first start compiles every module, maybe on a busy machine
TICK_SECONDS = 5.0
FIRST_BACKOFF, LAST_BACKOFF = 0.5, 30.0
STEADY_SECONDS = 30.0  # up for so long, a service has earned a quick restart again
LEFTOVER_SECONDS = 10.0
STOP_ORDER = (("executor",), ("api", "scheduler", "event-ingest", "log-store"), SERVERS)


@dataclass
class Kept:
    """A service under supervision; it is down until `restart_at` (monotonic) when `child` is None."""

    unit: Unit
    child: Child | None = None
    backoff: float = FIRST_BACKOFF
    restart_at: float = 0.0


class Supervisor:
    """Owns the processes of `home`; call `run` once."""

    def __init__(self, home: Home, waker: Waker) -> None:
        self._home = home
        self._waker = waker
        self._kept: dict[str, Kept] = {}
        self._state = StackState(pid=os.getpid())

    def run(self) -> int:
        """Serve until told to stop; returns the exit status."""
        reap_leftovers(read_state(self._home))
        write_state(self._home, self._state)
        try:
            self._start()
            self._serve()
        except StopRequested:
            return self._stop("stopped")
        except LocalError as error:
            self._state.error, self._state.hint = str(error), error.hint
            self._state.log = str(error.log or "")
            self._stop("failed")
            return 1
        except OSError as error:
            self._state.error = f"{self._state.step or 'the stack'}: {error}"
            self._stop("failed")
            return 1

    def _start(self) -> None:
        secrets = self._home.prepare(os.environ)
        ports = self._home.choose_ports()
        specs = Specs(self._home, secrets, ports, os.environ)
        with self._step("PostgreSQL, Redis and S3"):
            self._launch([specs.server(name) for name in SERVERS])
        with self._step("database schema"):
            self._once(specs.migrate())
        with self._step("api, scheduler, event-ingest, log-store, executor"):
            self._launch([specs.service(name) for name in ("api", *WORKERS)], specs.create_admin())
        self._state.phase = "ready"
        write_state(self._home, self._state)

    @contextlib.contextmanager
    def _step(self, name: str) -> Iterator[None]:
        self._state.step = name
        write_state(self._home, self._state)
        started = time.monotonic()
        yield
        self._state.steps.append((name, round(time.monotonic() - started, 2)))
        self._state.step = ""
        write_state(self._home, self._state)

    def _launch(self, units: Sequence[Unit], meanwhile: Program | None = None) -> None:
        """Start all of them, run `meanwhile` to its end, then wait for each to be ready."""
        started = []
        for unit in units:
            self._kept[unit.name] = Kept(unit)
            started.append((unit, self._start_one(self._kept[unit.name])))
        if meanwhile is not None:
            self._once(meanwhile)
        for unit, child in started:
            wait_until(unit.ready, child, START_SECONDS, self._waker.wait)

    def _start_one(self, kept: Kept) -> Child:
        unit, known = kept.unit, self._state.services.get(kept.unit.name)
        child = kept.child = Child(unit.make())
        restarts = known.restarts + 1 if known else 0
        self._state.services[unit.name] = ServiceState(
            child.pid, identity(child.pid), unit.port, time.time(), restarts
        )
        write_state(self._home, self._state)
        return child

    def _once(self, program: Program) -> None:
        """Run a program to its end. Raises LocalError when it fails."""
        child = Child(program)
        try:
            while child.exit_code() is None:
                self._waker.wait(POLL_SECONDS * 50)
        finally:
            if child.exit_code() is None:
                child.stop(timeout=1.0)
        if child.exit_code() != 0:
            raise LocalError(f"{program.name} failed: {last_line(program.log)}", log=program.log)

    def _serve(self) -> NoReturn:
        """Restart what ends, each time after a longer pause, until told to stop."""
        while True:
            now = time.monotonic()
            pauses = [TICK_SECONDS] + [self._look_after(kept, now) for kept in self._kept.values()]
            self._waker.wait(min(pauses))

    def _look_after(self, kept: Kept, now: float) -> float:
        """Returns after how many seconds this service wants to be looked at again."""
        if kept.child is not None:
            if kept.child.exit_code() is None:
                return TICK_SECONDS
            self._note_death(kept, kept.child, now)
        if now < kept.restart_at:
            return kept.restart_at - now
        try:
            self._start_one(kept)
        except (LocalError, OSError) as error:
            print(f"{kept.unit.name} cannot be started: {error}", file=sys.stderr, flush=True)
            kept.restart_at = now + LAST_BACKOFF
        return TICK_SECONDS

    def _note_death(self, kept: Kept, child: Child, now: float) -> None:
        name, code = kept.unit.name, child.exit_code()
        child.kill()  # what it left in its group
        kept.child = None
        if time.time() - self._state.services[name].started_at > STEADY_SECONDS:
            kept.backoff = FIRST_BACKOFF
        kept.restart_at = now + kept.backoff
        print(f"{name} ended (exit {code}); restart in {kept.backoff:g} s", file=sys.stderr, flush=True)
        kept.backoff = min(kept.backoff * 2, LAST_BACKOFF)

    def _stop(self, phase: str) -> int:
        """Stop all in order; a second stop signal kills what is left at once. Returns 0."""
        self._state.phase = "stopping"
        write_state(self._home, self._state)
        asked = self._waker.stop_signals
        for names in STOP_ORDER:
            children = [self._kept[name].child for name in names if name in self._kept]
            running = [child for child in children if child is not None]
            for child in running:
                child.ask_to_stop()
            self._wait_for(running, asked)
            for child in running:
                child.kill()
        self._state.phase, self._state.services = phase, {}
        write_state(self._home, self._state)
        return 0

    def _wait_for(self, children: Sequence[Child], asked: int) -> None:
        deadline = time.monotonic() + max((child.program.stop_seconds for child in children), default=0.0)
        while any(child.exit_code() is None for child in children):
            if time.monotonic() > deadline or self._waker.stop_signals > asked:
                return
            self._waker.pause(POLL_SECONDS * 5)


def reap_leftovers(state: StackState | None) -> None:
    """End what a killed supervisor left running: it has been asked to stop, but may need a moment."""
    left = {name: service for name, service in state.services.items() if is_alive(service)} if state else {}
    for name, service in left.items():
        with contextlib.suppress(ProcessLookupError):
            os.kill(service.pid, signal.SIGINT if name == "postgres" else signal.SIGTERM)
    deadline = time.monotonic() + LEFTOVER_SECONDS
    while any(is_alive(service) for service in left.values()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for service in left.values():
        if is_alive(service):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(service.pid, signal.SIGKILL)


def main() -> int:
    waker = Waker()
    home = Home.from_environment(os.environ)
    home.prepare(os.environ)
    with supervisor_lock(home) as held:
        if not held:
            print("another supervisor keeps this stack", file=sys.stderr)
            return 1
        return Supervisor(home, waker).run()


if __name__ == "__main__":
    sys.exit(main())
