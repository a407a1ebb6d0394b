"""How each service of the stack is started: its command, and no more of the environment than it needs."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drover_cli.local import servers
from drover_cli.local.health import is_ready
from drover_cli.local.home import Home, Secrets
from drover_cli.local.process import Program
from drover_cli.paths import EXECUTOR_PYTHON, MAIN_PYTHON

HOST = servers.HOST
# Read from the caller's environment where they are set there.
PASSED_ON = (
    "DROVER_LOG_LEVEL",
    "DROVER_LOG_FORMAT",
    "DROVER_TRACES_ENDPOINT",
    "DROVER_LEASE_SECONDS",
    "DROVER_HEARTBEAT_SECONDS",
    "DROVER_LEASE_GRACE_SECONDS",
    "DROVER_TICK_SECONDS",
    "DROVER_API_WORKERS",
    "DROVER_API_THREADS",
    "DROVER_RETENTION_EVENTS_DAYS",
    "DROVER_RETENTION_LOGS_DAYS",
)
EXECUTORS = re.compile("DROVER_EXECUTOR_.")  # the executor's own, passed on where the stack does not set them


@dataclass(frozen=True)
class Unit:
    """One service: `make` gives its program (anew for each start), `ready` asks it."""

    name: str
    port: int
    make: Callable[[], Program]
    ready: Callable[[], bool]


class Specs:
    """All programs of one stack."""

    def __init__(
        self, home: Home, secrets: Secrets, ports: Mapping[str, int], environ: Mapping[str, str]
    ) -> None:
        self._home = home
        self._secrets = secrets
        self._ports = ports
        self._executors = {name: value for name, value in environ.items() if value and EXECUTORS.match(name)}
        self._common = {name: environ[name] for name in PASSED_ON if name in environ}

    @property
    def api_url(self) -> str:
        return f"http://{HOST}:{self._ports['api']}"

    def server(self, name: str) -> Unit:
        """The server `postgres`, `redis` or `s3`; its data folder is made ready by `make`."""
        port, secrets = self._ports[name], self._secrets
        data, log = self._home.folder / name, self._home.log(name)
        keys = (secrets.s3_access_key, secrets.s3_secret_key)
        makers: dict[str, tuple[Callable[[], servers.Server], Callable[[], bool]]] = {
            "postgres": (
                lambda: servers.postgres(data, port, secrets.postgres_password, log, durable=True),
                lambda: servers.ensure_database(port, secrets.postgres_password, servers.DATABASE),
            ),
            "redis": (
                lambda: servers.redis(data, port, secrets.redis_password, log),
                lambda: servers.redis_answers(port, secrets.redis_password),
            ),
            "s3": (lambda: servers.s3(data, port, keys, log), lambda: servers.accepts(port)),
        }
        make, ready = makers[name]
        return Unit(name, port, lambda: make().program, ready)

    def service(self, name: str) -> Unit:
        """One of Drover's own services."""
        port = self._ports[name]
        program = self._program(name, f"drover_{name.replace('-', '_')}", self._env(name))
        return Unit(name, port, lambda: program, lambda: is_ready(HOST, port))

    def migrate(self) -> Program:
        return self._program("migrate", "drover_shared.db.migrate", self._database())

    def create_admin(self) -> Program:
        env = self._env("api") | {"DROVER_ADMIN_PASSWORD": self._secrets.admin_password}
        return self._program("create-admin", "drover_api", env, "create-admin")

    def command(self, service: str, command: str, arguments: Sequence[str]) -> Program:
        """An operator's command of a service, with that service's settings."""
        env = self._env(service)
        if command == "create-admin":
            env |= {"DROVER_ADMIN_PASSWORD": self._secrets.admin_password}
        return self._program(command, f"drover_{service.replace('-', '_')}", env, command, *arguments)

    def backup(self, command: str, arguments: Sequence[str]) -> Program:
        env = {**self._database(), **self._s3()}
        env["DROVER_POSTGRES_PROGRAMS"] = str(Path(servers.postgres_binary("pg_dump")).parent)
        # it runs in another folder
        paths = [one if one.startswith("-") else str(Path(one).absolute()) for one in arguments]
        return self._program("backup", "drover_shared.backup", env, command, *paths)

    def _program(self, name: str, module: str, env: Mapping[str, str], *arguments: str) -> Program:
        python = EXECUTOR_PYTHON if name == "executor" else MAIN_PYTHON
        path = f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return Program(
            name,
            [str(python), "-m", module, *arguments],
            self._home.log(name),
            {**self._common, **env, "PATH": path, "PYTHONUNBUFFERED": "1"},
            cwd=self._home.folder,
        )

    def _env(self, name: str) -> dict[str, str]:
        health = {"DROVER_HEALTH_HOST": HOST, "DROVER_HEALTH_PORT": str(self._ports[name])}
        match name:
            case "api":
                return {
                    **self._database(),
                    **self._redis(name),
                    **self._s3(),
                    "DROVER_API_HOST": HOST,
                    "DROVER_PORT": str(self._ports["api"]),
                    "DROVER_SECRET_KEYS": self._secrets.secret_keys,
                    "DROVER_REGISTRATION_TOKEN": self._secrets.registration_token,
                }
            case "executor":
                return {**self._redis(name), **health, **self._executor()}
            case "event-ingest":
                keys = {"DROVER_SECRET_KEYS": self._secrets.secret_keys}
                return {**self._database(), **self._redis(name), **keys, **health}
            case "log-store" | "scheduler":
                return {**self._database(), **self._redis(name), **self._s3(), **health}
            case _:
                return {**self._database(), **self._redis(name), **health}

    def _database(self) -> dict[str, str]:
        login = f"{servers.USER}:{self._secrets.postgres_password}"
        address = f"{HOST}:{self._ports['postgres']}/{servers.DATABASE}"
        return {"DROVER_DATABASE_URL": f"postgresql+psycopg2://{login}@{address}"}

    def _redis(self, user: str) -> dict[str, str]:
        login = f"{user}:{self._secrets.redis_password}"
        return {"DROVER_REDIS_URL": f"redis://{login}@{HOST}:{self._ports['redis']}/0"}

    def _s3(self) -> dict[str, str]:
        return {
            "DROVER_S3_ENDPOINT": f"http://{HOST}:{self._ports['s3']}",
            "DROVER_S3_BUCKET": servers.BUCKET,
            "DROVER_S3_ACCESS_KEY": self._secrets.s3_access_key,
            "DROVER_S3_SECRET_KEY": self._secrets.s3_secret_key,
        }

    def _executor(self) -> dict[str, str]:
        return {
            # a person's own machine: playbooks run as that person and could read all of it anyway
            "DROVER_EXECUTOR_LOCAL_ROOTS": "/",
            **self._executors,
            "DROVER_API_URL": self.api_url,
            "DROVER_REGISTRATION_TOKEN": self._secrets.registration_token,
            "DROVER_EXECUTOR_NAME": "local",
            "DROVER_EXECUTOR_DIR": str(self._home.folder / "executor"),
        }
