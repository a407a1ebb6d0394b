"""`check`: every dependency, with a verdict of one line each."""
# ruff: noqa: T201 - what a command prints is its answer

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from drover_shared.db.migrate import is_migrated
from drover_shared.db.partitions import partition_name
from drover_shared.domain.errors import InfrastructureError
from drover_shared.ids import new_run_id
from drover_shared.messages.streams import EVENTS_STREAM, LOGS_STREAM
from drover_shared.redis_address import RedisAddress
from drover_shared.settings import Environment
from drover_shared.streams.failures import describe
from sqlalchemy import Engine, text

from drover_api.crypto import Vault
from drover_api.deps import Deps, make_deps
from drover_api.settings import ApiSettings

MAX_SKEW = timedelta(seconds=2)
LATE_SECONDS = 60.0
Verdict = tuple[bool, str]


@dataclass(frozen=True, slots=True)
class Checks:
    """Each method says whether something is as it should be, and how it is; what it raises is a no."""

    deps: Deps

    def all(self) -> dict[str, Callable[[], Verdict]]:
        return {
            "database": self.database,
            "migrations": self.migrations,
            "partitions": self.partitions,
            "clock": self.clock,
            "queue": self.queue,
            "streams": self.streams,
            "object store": self.objects,
            "secret keys": self.keys,
            "administrator": self.administrator,
            "executors": self.executors,
        }

    def database(self) -> Verdict:
        return True, f"PostgreSQL {self._one('SHOW server_version')}"

    def migrations(self) -> Verdict:
        found = self._one("SELECT version_num FROM alembic_version")
        if is_migrated(self.deps.engine):
            return True, f"at {found}"
        return False, f"at {found}, behind this release: python -m drover_shared.db.migrate"

    def partitions(self) -> Verdict:
        """A day without its own would go to the default one: stored, but slower to drop."""
        days = [datetime.now(UTC).date() + timedelta(days=ahead) for ahead in (0, 1, 2)]
        missing = [partition_name(day) for day in days if not self._table(partition_name(day))]
        return not missing, f"missing: {', '.join(missing)}" if missing else "made for the days ahead"

    def clock(self) -> Verdict:
        """Leases are judged by the database's clock; a machine's own only dates logs and run ids."""
        skew = abs(self._one("SELECT clock_timestamp()") - datetime.now(UTC))
        return skew < MAX_SKEW, f"{skew.total_seconds():.3f} s from the database's"

    def queue(self) -> Verdict:
        about: Any = self.deps.redis.info()
        told = f"{about.get('server_name', 'redis')} {about['redis_version']}"
        wrong = [] if about["maxmemory_policy"] == "noeviction" else [f"evicts: {about['maxmemory_policy']}"]
        if not about["aof_enabled"]:
            wrong.append("keeps no append-only file: what waits is sent again after a restart")
        return not wrong, ", ".join([told, f"{about['used_memory_human']} used", *wrong])

    def streams(self) -> Verdict:
        lines, late = [], False
        for stream in (EVENTS_STREAM, LOGS_STREAM):
            first: Any = self.deps.redis.xrange(stream, count=1)
            age = datetime.now(UTC).timestamp() - int(first[0][0].split(b"-")[0]) / 1000 if first else 0.0
            late |= age > LATE_SECONDS
            lines.append(f"{stream} {self.deps.redis.xlen(stream)} entries, oldest {max(0.0, age):.0f} s")
        return not late, "; ".join(lines)

    def objects(self) -> Verdict:
        """Put, read and remove one."""
        key, body = f"check/{new_run_id()}", b"drover"
        self.deps.objects.put(key, body)
        same = self.deps.objects.get(key) == body
        self.deps.objects.delete_many([key])
        return same, f"bucket {self.deps.settings.s3.bucket} takes, gives and removes"

    def keys(self) -> Verdict:
        """One secret of each key that was ever used."""
        with self.deps.engine.connect() as connection:
            rows = connection.execute(_SAMPLES).all()
        lost = [row.key_id for row in rows if not _opens(self.deps.vault, row.secrets)]
        if lost:
            return False, f"no key given opens what {', '.join(map(str, lost))} encrypted"
        return True, f"every stored secret's key is known; new ones get {self.deps.vault.key_id}"

    def administrator(self) -> Verdict:
        count = self._one("SELECT count(*) FROM users WHERE is_superuser")
        return count > 0, f"{count} superusers" if count else "none: python -m drover_api create-admin"

    def executors(self) -> Verdict:
        alive, known = self._row("""
            SELECT count(*) FILTER (WHERE last_seen_at > now() - interval '1 minute' AND NOT draining),
                   count(*)
            FROM executors
        """)
        return alive > 0, f"{alive} of {known} alive and taking runs"

    def _one(self, statement: str) -> Any:
        return self._row(statement)[0]

    def _row(self, statement: str) -> Any:
        with self.deps.engine.connect() as connection:
            return connection.execute(text(statement)).one()

    def _table(self, name: str) -> bool:
        return _has_table(self.deps.engine, name)


_SAMPLES = text("""
    SELECT DISTINCT ON (key_id) key_id, secrets FROM credentials WHERE secrets IS NOT NULL ORDER BY key_id, id
""")


def _has_table(engine: Engine, name: str) -> bool:
    with engine.connect() as connection:
        return connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is not None


def _opens(vault: Vault, secrets: bytes) -> bool:
    try:
        vault.decrypt(secrets)
    except InfrastructureError:
        return False
    return True


def check(env: Environment) -> int:
    """Print a line a dependency; 1 where any is not as it should be."""
    settings = ApiSettings.read(env)
    deps = make_deps(settings)
    failed = 0
    try:
        for name, question in Checks(deps).all().items():
            good, told = _answer(question)
            failed += not good
            print(f"{'ok  ' if good else 'FAIL'}  {name:<14} {told}")
    finally:
        deps.close()
    if failed:
        print(
            f"{failed} of these need a look; the queue is at {RedisAddress.parse(settings.redis_url).place()}"
        )
    return 1 if failed else 0


def _answer(question: Callable[[], Verdict]) -> Verdict:
    try:
        return question()
    except redis.RedisError as error:
        return False, f"does not answer: {type(error).__name__}"
    except Exception as error:  # noqa: BLE001 - whatever a dependency does is its verdict
        return False, f"does not answer: {' '.join(describe(error).values())}"
