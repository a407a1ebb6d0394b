"""One PostgreSQL, Redis and S3 server for a whole test run, in a folder that goes away with it."""

import itertools
import random
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from drover_cli.local import servers
from drover_cli.local.ports import choose_port
from drover_cli.local.process import Child, wait_until
from drover_shared.objects import s3_client
from drover_shared.settings import S3Settings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

S3_KEYS = ("drovertestaccesskey", "drovertestsecretkey-0123456789abcdefghij")
REDIS_DATABASES = 512
TEMPLATE = "drover_template"


@dataclass
class StackServers:
    """Running servers; each method that makes something makes it fresh."""

    home: Path
    password: str = field(default_factory=lambda: secrets.token_hex(12), repr=False)
    ports: dict[str, int] = field(default_factory=dict)
    postgres_variables: Mapping[str, str] = field(default_factory=dict)  # e.g. another clock
    _children: dict[str, Child] = field(default_factory=dict)
    _counter: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _template_made: bool = False

    def start(self) -> None:
        """Start all three at once and return when each serves. Raises LocalError."""
        rng = random.Random()
        for name in ("postgres", "redis", "s3"):
            self.ports[name] = choose_port(None, set(self.ports.values()), rng)
        made = [self._server(name) for name in self.ports]
        for name, server in zip(self.ports, made, strict=True):
            self._children[name] = Child(server.program)
        for name, server in zip(self.ports, made, strict=True):
            wait_until(server.ready, self._children[name], servers.START_SECONDS)

    def kill(self, name: str) -> None:
        """`kill -9` of one server (`postgres`, `redis` or `s3`); it stays down until `restart`."""
        self._children[name].kill()

    def pid(self, name: str) -> int:
        return self._children[name].pid

    def restart(self, name: str) -> None:
        """Start a server again on its old port and data, stopping it first if it runs."""
        self._children[name].stop()
        server = self._server(name)
        self._children[name] = Child(server.program)
        wait_until(server.ready, self._children[name], servers.START_SECONDS)

    def stop(self) -> None:
        for child in self._children.values():
            child.ask_to_stop()
        for child in self._children.values():
            child.stop()

    def _server(self, name: str) -> servers.Server:
        log = self.home / "logs" / f"{name}.log"
        data, port = self.home / name, self.ports[name]
        if name == "postgres":
            server = servers.postgres(data, port, self.password, log, durable=False)
            return replace(server, program=replace(server.program, env=self.postgres_variables))
        if name == "redis":
            return servers.redis(data, port, self.password, log)
        return servers.s3(data, port, S3_KEYS, log)

    def database_url(self, database: str, port: int | None = None) -> str:
        """The address of a database; `port` where something stands in front of the server."""
        address = f"127.0.0.1:{port or self.ports['postgres']}"
        return f"postgresql+psycopg2://{servers.USER}:{self.password}@{address}/{database}"

    def redis_url(self, database: int, port: int | None = None) -> str:
        """As `database_url`, for a database number of Redis."""
        return f"redis://:{self.password}@127.0.0.1:{port or self.ports['redis']}/{database}"

    @property
    def s3_endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3']}"

    def sql(self, statement: str) -> None:
        """Run one statement outside of any transaction."""
        connection = psycopg2.connect(
            host="127.0.0.1",
            port=self.ports["postgres"],
            user=servers.USER,
            password=self.password,
            dbname="postgres",
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    def make_database(self) -> str:
        """A new migrated database; returns its name. The template is migrated at the first call."""
        if not self._template_made:
            from drover_shared.db.migrate import upgrade  # noqa: PLC0415  unit tests run without it

            self.sql(f"CREATE DATABASE {TEMPLATE}")
            upgrade(self.database_url(TEMPLATE))
            self._template_made = True
        name = f"test_{next(self._counter)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")  # half the time
        return name

    def drop_database(self, name: str) -> None:
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def next_redis_database(self) -> int:
        """A database number that this run has not used lately (0 is left to whole stacks)."""
        return 1 + next(self._counter) % (REDIS_DATABASES - 1)

    def make_bucket(self) -> str:
        """A new empty bucket; returns its name."""
        name = f"test-{next(self._counter)}"
        self._s3.create_bucket(Bucket=name)  # over S3: the server does not see a folder made behind its back
        return name

    @cached_property
    def _s3(self) -> "S3Client":
        """One for all buckets: to make a client takes longer than to make a bucket."""
        return s3_client(S3Settings(self.s3_endpoint, "", *S3_KEYS))


@contextmanager
def running_servers(prefix: str = "drover-bench-") -> Iterator[StackServers]:
    """Servers in a temporary folder, for what is no test; both go away at the end."""
    with tempfile.TemporaryDirectory(prefix=prefix) as home:
        running = StackServers(Path(home))
        try:
            running.start()
            yield running
        finally:
            running.stop()
