"""A whole stack as real processes, seen as a user sees it: through the command line and the public API."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import redis
from drover_cli.local.health import is_ready
from drover_cli.local.home import Home
from drover_cli.local.ports import choose_port
from drover_cli.local.servers import DATABASE, HOST, USER
from drover_cli.local.state import ServiceState, identity, read_state

from support.fleet import cpu_seconds
from support.waiting import eventually

FAST = {  # a lost executor is noticed sooner; the API has time to start again within a lease
    "DROVER_LEASE_SECONDS": "30",
    "DROVER_HEARTBEAT_SECONDS": "1",
    "DROVER_LEASE_GRACE_SECONDS": "1",
    "DROVER_LOG_LEVEL": "info",
}
# Takes the stack down when the tests' process ends, however it ends: its end of the pipe closes then.
_GUARD = """
import subprocess, sys
sys.stdin.read()
subprocess.run([sys.executable, "-m", "drover_cli", "down"], stdout=subprocess.DEVNULL)
"""
FINAL = {"successful", "failed", "canceled", "error"}


class LiveStack:
    """One stack in `folder`; `start` before anything else."""

    def __init__(self, folder: Path, settings: Mapping[str, str] = FAST) -> None:
        port = choose_port(None, set(), random.SystemRandom())
        self.home = Home(folder, port)
        self.url = f"http://{HOST}:{port}"
        self.environment = {
            **os.environ,
            **settings,
            "DROVER_HOME": str(folder),
            "DROVER_PORT": str(port),
            "DROVER_ADMIN_PASSWORD": "e2e-admin-password",
        }
        self._guard: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str, timeout: float = 180) -> "subprocess.CompletedProcess[str]":
        """Run `drover ARGUMENTS` for this stack; its output is text."""
        return subprocess.run(
            [sys.executable, "-m", "drover_cli", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self) -> None:
        done = self.command("up", "--detach")
        assert done.returncode == 0, done.stdout + done.stderr + self.tail_logs()
        if self._guard is None:
            self._guard = subprocess.Popen(
                [sys.executable, "-c", _GUARD],
                env=self.environment,
                stdin=subprocess.PIPE,
                start_new_session=True,
            )

    def stop(self) -> None:
        done = self.command("down")
        assert done.returncode == 0, done.stdout + done.stderr
        if self._guard is not None:
            self._guard.communicate()
            self._guard = None

    def client(self) -> httpx.Client:
        """A client of the public API with a fresh administrator's token."""
        answer = httpx.post(
            f"{self.url}/api/v1/tokens",
            json={"description": "e2e", "scope": "write"},
            auth=("admin", "e2e-admin-password"),
        )
        assert answer.status_code == 201, answer.text
        headers = {"Authorization": f"Bearer {answer.json()['token']}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=30)

    def service(self, name: str) -> ServiceState:
        state = read_state(self.home)
        assert state is not None
        return state.services[name]

    def cpu_seconds(self, names: Sequence[str]) -> dict[str, float]:
        """Processor time of each of these services since it started."""
        return {name: cpu_seconds(self.service(name).pid) for name in names}

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a service's process alone, as an operator's `kill` would."""
        os.kill(self.service(name).pid, number)

    def kill(self, name: str) -> None:
        """`kill -9`, and wait until another process is in its place and the API finds all it needs."""
        before = self.service(name)
        os.kill(before.pid, signal.SIGKILL)

        def replaced() -> bool:
            now = self.service(name)
            return now.pid != before.pid and identity(now.pid) == now.identity

        eventually(f"{name} runs again", replaced, 60)
        eventually("the API is ready", lambda: is_ready(HOST, self.service("api").port), 60)

    def redis(self) -> "redis.Redis":
        return redis.Redis.from_url(self.redis_url())

    def redis_url(self) -> str:
        return f"redis://:{self.home.secrets().redis_password}@{HOST}:{self.service('redis').port}/0"

    def database_url(self) -> str:
        password, port = self.home.secrets().postgres_password, self.service("postgres").port
        return f"postgresql+psycopg2://{USER}:{password}@{HOST}:{port}/{DATABASE}"

    def tail_logs(self, lines: int = 15) -> str:
        """The last lines of every log, for a failure's message."""
        parts = []
        for log in sorted(self.home.logs.glob("*.log")):
            parts.append(f"--- {log.name}")
            parts.extend(log.read_text(errors="replace").splitlines()[-lines:])
        return "\n".join(parts)


def created(answer: httpx.Response) -> dict[str, Any]:
    """The body of a 201; AssertionError with the problem otherwise."""
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def job_ended(client: httpx.Client, job_id: int, seconds: float = 90) -> dict[str, Any]:
    """The job once it is over and everything it put out is stored."""

    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}").raise_for_status().json()
        done = job["status"] in FINAL and job["events_complete"] and job["log_complete"]
        return job if done else None

    return eventually(f"job {job_id} is over and complete", look, seconds)
