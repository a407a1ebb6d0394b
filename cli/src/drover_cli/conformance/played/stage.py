"""Where an executor is tried: the played API, a project with playbooks, and the executor's process."""

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from drover_cli.conformance.kit import BrokenRuleError, require
from drover_cli.conformance.played.api import PlayedApi
from drover_cli.conformance.played.runs import PlayedRun
from drover_cli.conformance.played.subject import Subject
from drover_cli.demo.project import make_repository

PLAYBOOKS = Path(__file__).parent / "project"
LEASE_SECONDS, BEAT_SECONDS = 8, 1
PATIENCE_SECONDS = 60.0
_STILL_SECONDS = 0.6  # a playbook that wrote nothing for so long is dead: it writes ten times a second
_LOOK_SECONDS = 0.05
T = TypeVar("T")


class Stage:
    """`command` starts the executor. Scenarios are played once each, and looked at by many rules.

    `patience`: seconds for Ansible to begin, or to end.
    """

    def __init__(self, command: str, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self.folder = Path(tempfile.mkdtemp(prefix="drover-conformance-"))
        self.project = self.folder / "project"
        make_repository(PLAYBOOKS, self.project, "What executors are tried with")
        self.api = PlayedApi(secrets.token_hex(16), LEASE_SECONDS, BEAT_SECONDS).start()
        self.subject = Subject(command, self.folder, self.api.url, self.api.registration_token)
        self._played: dict[str, object] = {}

    def play(self, scenario: "Callable[[Stage], T]") -> T:
        """What a scenario left; the same each time, its failure too."""
        name = scenario.__name__
        if name not in self._played:
            try:
                self._played[name] = scenario(self)
            except BrokenRuleError as error:
                self._played[name] = error
        found: Any = self._played[name]
        if isinstance(found, BrokenRuleError):
            raise found
        return found  # type: ignore[no-any-return]  # what the same scenario returned before

    def ready(self) -> None:
        """The executor is started, and not at its end."""
        if not self.subject.runs:
            self.subject.start()

    def offer(self, playbook: str, **values: Any) -> PlayedRun:
        """A new run of a playbook of the project, for whoever asks for work."""
        run = self.make(playbook, **values)
        self.api.add(run)
        return run

    def make(self, playbook: str, timeout_seconds: int = 0, **values: Any) -> PlayedRun:
        """A run that nobody is offered yet."""
        self.ready()
        run = PlayedRun({}, **values)
        self.alive(run).touch()
        paths = {"beat": self.beat(run), "alive": self.alive(run), "gate": self.gate(run)}
        extra_vars = {name: str(path) for name, path in paths.items()}
        run.manifest = manifest(self.project, playbook, extra_vars, timeout_seconds)
        return run

    def beat(self, run: PlayedRun) -> Path:
        """Every process of a run writes to this file, again and again."""
        return self.folder / f"beat-{run.id}"

    def alive(self, run: PlayedRun) -> Path:
        """Where this file is gone they end by themselves."""
        return self.folder / f"alive-{run.id}"

    def gate(self, run: PlayedRun) -> Path:
        """Where this file is there, one that is not stubborn ends well."""
        return self.folder / f"gate-{run.id}"

    def wait(self, what: str, holds: Callable[[], bool], seconds: float | None = None) -> None:
        """Until `holds`, which only calls of the executor bring about."""
        seconds = self._patience if seconds is None else seconds
        deadline = time.monotonic() + seconds
        while not self.api.holds_within(holds, min(1.0, max(0.0, deadline - time.monotonic()))):
            require(self.subject.runs, f"it has ended by itself; not seen before: {what}")
            require(time.monotonic() < deadline, f"not within {seconds:g} s: {what}")

    def await_work(self, run: PlayedRun) -> None:
        """Until the playbook works and a heartbeat came."""
        self.wait("the run is started", lambda: run.state == "running")
        self._look("the playbook works", lambda: self.beat(run).exists(), self._patience)
        beats = run.beats
        self.wait("a heartbeat comes", lambda: run.beats > beats, LEASE_SECONDS)

    def death(self, run: PlayedRun, seconds: float) -> float:
        """When, by the machine's clock, the run's last process wrote for the last time; 0 for never."""
        self._look("all processes of the run are dead", lambda: not self.lives(run), seconds + _STILL_SECONDS)
        return self._wrote(run)

    def is_over(self, run: PlayedRun) -> bool:
        """Whether it was told that all is stored."""
        return any(call.status == HTTPStatus.OK for call in self.api.of_run(run, "finish"))

    def lives(self, run: PlayedRun) -> bool:
        """Whether any process of the run wrote just now."""
        return time.time() - self._wrote(run) < _STILL_SECONDS

    def _wrote(self, run: PlayedRun) -> float:
        beat = self.beat(run)
        return beat.stat().st_mtime if beat.exists() else 0.0

    def _look(self, what: str, holds: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            require(time.monotonic() < deadline, f"not within {seconds:g} s: {what}")
            time.sleep(_LOOK_SECONDS)

    def clear(self) -> None:
        """A new executor, of which no run is left, nor anything that one before it kept."""
        self._end_all()
        shutil.rmtree(self.folder / "executor", ignore_errors=True)

    def close(self) -> None:
        self._end_all()
        self.api.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_all(self) -> None:
        self.subject.end()
        for run in self.api.runs.values():
            self.alive(run).unlink(missing_ok=True)
            run.state = "lost"


def manifest(
    project: Path, playbook: str, extra_vars: dict[str, str], timeout_seconds: int
) -> dict[str, Any]:
    """As the API makes it, for two hosts that are this machine."""
    local = "{ansible_connection: local, ansible_python_interpreter: '{{ ansible_playbook_python }}'}"
    return {
        "job_id": 55,
        "attempt_number": 1,
        "job_name": "Conformance",
        "kind": "playbook",
        "execution_environment": {"id": 5, "image": "registry.example.com/ee:latest"},
        "execution_environment_pull": "missing",
        "execution_environment_credential_id": None,
        "inventory": {
            "mode": "inline",
            "content": f"all: {{hosts: {{one: {local}, two: {local}}}}}",
            "path": None,
        },
        "inventory_project": None,
        "playbook": {"type": "scm", "project_id": 9, "playbook_path": f"{playbook}.yml"},
        "project": {
            "id": 9,
            "scm_type": "git",
            "scm_url": f"file://{project}",
            "scm_branch": "",
            "scm_credential_id": None,
            "scm_submodules": False,
            "scm_clean": True,
            "scm_revision": None,
        },
        "credentials": [],
        "extra_vars": extra_vars,
        "secret_vars": [],
        "untrusted_vars": [],
        "start_at_task": None,
        "job_type": "run",
        "forks": 5,
        "limit": None,
        "tags": [],
        "skip_tags": [],
        "verbosity": 0,
        "diff_mode": False,
        "become_enabled": False,
        "timeout_seconds": timeout_seconds,
        "max_event_bytes": 262144,
        "max_batch_bytes": 524288,
        "max_chunk_bytes": 262144,
    }
