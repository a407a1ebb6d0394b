"""A real executor process, and projects for it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drover_executor.child.tree import with_environment
from drover_shared.queue import Doorbell

from support.fake_api import REGISTRATION_TOKEN, FakeApi, FakeRun

INVENTORY = "[all]\nweb[01:03] ansible_connection=local ansible_python_interpreter={python}\n"


def inventory() -> str:
    """Three hosts that are this machine."""
    return INVENTORY.format(python=sys.executable)


def make_project(folder: Path, files: Mapping[str, str]) -> Path:
    """A git repository with one commit."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    commit(folder)
    return folder


def commit(folder: Path) -> str:
    """Commit everything; returns the revision."""
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=Work")
    return git(folder, "rev-parse", "HEAD").strip()


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "protocol.file.allow=always"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True, timeout=30
    )
    return done.stdout


def manifest(repository: Path | str, **changes: Any) -> dict[str, Any]:
    """A manifest as the API makes it, for a git project at `repository`."""
    url = repository if isinstance(repository, str) else f"file://{repository}"
    source = {
        "id": 9,
        "scm_type": "git",
        "scm_url": url,
        "scm_branch": "",
        "scm_credential_id": None,
        "scm_submodules": False,
        "scm_revision": None,
    }
    return {
        "job_id": 55,
        "attempt_number": 1,
        "execution_environment": {"id": 5, "image": "registry.example.com/ee:latest"},
        "inventory": {"mode": "inline", "content": inventory(), "path": None},
        "playbook": {"type": "scm", "project_id": 9, "playbook_path": "site.yml"},
        "extra_vars": {},
        "credentials": [],
        "timeout_seconds": 0,
        "limit": None,
        "verbosity": 0,
        "job_name": "A test",
        "job_type": "run",
        "forks": 5,
        "tags": [],
        "skip_tags": [],
        "diff_mode": False,
        "become_enabled": False,
        "secret_vars": [],
        **changes,
        "project": source | changes.get("project", {}),
    }


@dataclass
class ExecutorProcess:
    """`python -m drover_executor` with its folder, and its log in `executor.log`."""

    api: FakeApi
    folder: Path
    redis_url: str | None
    roots: Path
    settings: Mapping[str, str]
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> "ExecutorProcess":
        env = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/root"),
            "DROVER_API_URL": self.api.url,
            "DROVER_REGISTRATION_TOKEN": REGISTRATION_TOKEN,
            "DROVER_EXECUTOR_NAME": "test",
            "DROVER_EXECUTOR_DIR": str(self.folder),
            "DROVER_EXECUTOR_LOCAL_ROOTS": str(self.roots),
            **({"DROVER_REDIS_URL": self.redis_url} if self.redis_url else {"DROVER_EXECUTOR_MODE": "http"}),
            **self.settings,
        }
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "executor.log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "drover_executor"], env=env, stderr=log)
        return self

    def ring(self, run: FakeRun) -> None:
        assert self.redis_url is not None
        bell = Doorbell(self.redis_url)
        assert bell.run_waits(run.id, "default")
        bell.close()

    def launch(self, run: FakeRun) -> FakeRun:
        self.api.add(run)
        if self.redis_url is not None:
            self.ring(run)
        return run

    def stop(self, seconds: float = 20.0) -> int:
        """SIGTERM; returns the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        finally:
            self.kill()

    def kill(self) -> None:
        """`kill -9` of the executor alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @property
    def log(self) -> str:
        return (self.folder / "executor.log").read_text()


def processes_of_run(run: FakeRun) -> list[int]:
    """The processes that belong to a run, as anybody on this machine can find them."""
    return with_environment(f"DROVER_JOB_RUN_ID={run.id}".encode())


def remaining(run: FakeRun) -> list[str]:
    """Their command lines."""
    found = []
    for pid in processes_of_run(run):
        with contextlib.suppress(OSError):
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def files_left(folder: Path) -> dict[Path, bytes]:
    """Every file below a folder with its content; one that is removed while this reads is not left."""
    found = {}
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                found[path] = path.read_bytes()
        except FileNotFoundError:
            continue
    return found


def bare_run(project: Path, folder: Path, *options: str, playbook: str = "site.yml") -> tuple[int, bytes]:
    """`ansible-playbook` as a person would run it: exit status, and output and errors as they came."""
    copy = folder / "bare"
    shutil.copytree(project, copy)
    hosts = folder / "hosts"
    hosts.write_text(inventory())
    env = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": os.environ.get("HOME", "/root"),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_FORCE_COLOR": "1",
    }
    done = subprocess.run(
        ["ansible-playbook", "-i", str(hosts), *options, playbook],
        cwd=copy,
        env=env,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    return done.returncode, done.stdout
