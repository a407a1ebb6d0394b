"""Every service as processes of its own, on servers of its own, each connection between them one to be cut.

Unlike `LiveStack` nobody restarts what ends: the test decides what runs, for how long, and by which clock.
"""

import os
import random
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import redis
from cryptography.fernet import Fernet
from drover_cli.local.health import is_ready
from drover_cli.local.ports import choose_port
from drover_cli.local.process import Child, Program, wait_until
from drover_cli.local.servers import HOST
from drover_cli.paths import EXECUTOR_PYTHON, MAIN_PYTHON

from support.clocks import Clocks
from support.servers import S3_KEYS, StackServers
from support.wire import Switchboard, Wire

PASSWORD = "fleet-admin-password"
SERVERS = ("postgres", "redis", "s3")
NEEDS = {  # what each service connects to
    "api": ("postgres", "redis", "s3"),
    "scheduler": ("postgres", "redis"),
    "event-ingest": ("postgres", "redis"),
    "log-store": ("postgres", "redis", "s3"),
    "executor": ("api", "redis"),
}
READY_SECONDS = 120.0


def kind_of(name: str) -> str:
    """`scheduler-2` is a scheduler."""
    return name.rpartition("-")[0] if name[-1].isdigit() else name


@dataclass
class Fleet:
    """`replicas` of each service but the API, which is one with two workers; `settings` go to all."""

    folder: Path
    settings: Mapping[str, str]
    replicas: int = 1
    wires: dict[tuple[str, str], Wire] = field(default_factory=dict)
    children: dict[str, Child] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.clocks = Clocks(self.folder)
        self.servers = StackServers(self.folder, postgres_variables=self.clocks.variables("postgres"))
        self.names = ["api"] + [
            f"{kind}-{number}" for kind in NEEDS if kind != "api" for number in range(1, self.replicas + 1)
        ]
        self._board = Switchboard()
        self._secrets = {
            "DROVER_SECRET_KEYS": f"k1:{Fernet.generate_key().decode()}",
            "DROVER_REGISTRATION_TOKEN": "fleet-registration-token",
        }

    # Starting and stopping

    def start(self) -> None:
        """Everything runs and is ready, with an administrator, and every wire is whole."""
        self.servers.start()
        self.database, self.bucket = self.servers.make_database(), self.servers.make_bucket()
        taken = set(self.servers.ports.values())
        self.ports: dict[str, int] = {}
        for name in self.names:
            self.ports[name] = choose_port(None, taken | set(self.ports.values()), random.SystemRandom())
        for name in self.names:
            for server in NEEDS[kind_of(name)]:
                port = self.ports["api"] if server == "api" else self.entry(server)
                self.wires[name, server] = self._board.connect(port)
        self._make_admin()
        for name in self.names:
            self.start_one(name)
        for name in self.names:
            self.await_ready(name)

    def start_one(self, name: str) -> None:
        """Start a service or a server that does not run. Only a server is waited for."""
        if name in SERVERS:
            self.servers.restart(name)
            return
        kind = kind_of(name)
        python = EXECUTOR_PYTHON if kind == "executor" else MAIN_PYTHON
        path = f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        env = {**self.settings, **self._environment(name), "PATH": path, "PYTHONUNBUFFERED": "1"}
        env |= self.clocks.variables(name)
        module = f"drover_{kind.replace('-', '_')}"
        log = self.folder / "logs" / f"{name}.log"
        self.children[name] = Child(Program(name, [str(python), "-m", module], log, env, cwd=self.folder))

    def await_ready(self, name: str) -> None:
        port = self.ports[name]
        wait_until(lambda: is_ready(HOST, port), self.children[name], READY_SECONDS)

    def kill(self, name: str) -> None:
        """`kill -9`, then whatever it left in its group, as the container it would run in would end."""
        if name in SERVERS:
            self.servers.kill(name)
            return
        os.kill(self.children[name].pid, signal.SIGKILL)
        self.children[name].kill()

    def stop_one(self, name: str) -> int | None:
        """SIGTERM; its exit status, None where it had to be killed."""
        child = self.children[name]
        child.stop()
        return child.exit_code()

    def signal(self, name: str, number: signal.Signals) -> None:
        """To every process of a service or server, but not to the playbooks of an executor."""
        pid = self.servers.pid(name) if name in SERVERS else self.children[name].pid
        for each in family(pid) if kind_of(name) != "executor" else [pid]:
            try:
                os.kill(each, number)
            except ProcessLookupError:
                continue

    def stop(self) -> None:
        """Executors first, servers last; each has its ten seconds."""
        for kinds in (("executor",), ("api", "scheduler", "event-ingest", "log-store")):
            children = [child for name, child in self.children.items() if kind_of(name) in kinds]
            for child in children:
                child.ask_to_stop()
            for child in children:
                child.stop()
        self._board.close()
        self.servers.stop()

    def entry(self, server: str) -> int:
        """The port at which services reach a server."""
        return self.servers.ports[server]

    # What a test looks at

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.ports['api']}"

    def client(self) -> httpx.Client:
        """A client of the public API with a fresh administrator's token, past every wire."""
        answer = httpx.post(
            f"{self.url}/api/v1/tokens",
            json={"description": "fleet", "scope": "write"},
            auth=("admin", PASSWORD),
            timeout=30,
        )
        assert answer.status_code == 201, answer.text
        headers = {"Authorization": f"Bearer {answer.json()['token']}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=30)

    def redis(self) -> "redis.Redis":
        return redis.Redis.from_url(self.servers.redis_url(0))

    def database_url(self) -> str:
        return self.servers.database_url(self.database)

    # Inside

    def _make_admin(self) -> None:
        env = {**os.environ, **self._environment("api"), "DROVER_ADMIN_PASSWORD": PASSWORD}
        command = [str(MAIN_PYTHON), "-m", "drover_api", "create-admin"]
        subprocess.run(command, env=env, check=True, capture_output=True, timeout=READY_SECONDS)

    def _environment(self, name: str) -> dict[str, str]:
        env = {"DROVER_HEALTH_HOST": HOST, "DROVER_HEALTH_PORT": str(self.ports[name])}
        for server in NEEDS[kind_of(name)]:
            env |= self._address(server, self.wires[name, server].port)
        if kind_of(name) == "api":
            env |= {"DROVER_PORT": str(self.ports[name]), **self._secrets}
        if kind_of(name) == "executor":
            env |= {
                "DROVER_REGISTRATION_TOKEN": self._secrets["DROVER_REGISTRATION_TOKEN"],
                "DROVER_EXECUTOR_NAME": name,
                "DROVER_EXECUTOR_DIR": str(self.folder / name),
                "DROVER_EXECUTOR_LOCAL_ROOTS": "/",
            }
        return env

    def _address(self, server: str, port: int) -> dict[str, str]:
        """Variables that lead to a server by way of a wire."""
        match server:
            case "api":
                return {"DROVER_API_URL": f"http://{HOST}:{port}"}
            case "postgres":
                return {"DROVER_DATABASE_URL": self.servers.database_url(self.database, port)}
            case "redis":
                return {"DROVER_REDIS_URL": self.servers.redis_url(0, port)}
            case _:
                access, secret = S3_KEYS
                keys = {"DROVER_S3_ACCESS_KEY": access, "DROVER_S3_SECRET_KEY": secret}
                return {
                    "DROVER_S3_ENDPOINT": f"http://{HOST}:{port}",
                    "DROVER_S3_BUCKET": self.bucket,
                    **keys,
                }


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found.extend(parents.get(each, ()))
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time of a service with all its processes, ended ones too."""
    ticks = 0
    for each in family(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")
