"""Migrations: `python -m drover_shared.db.migrate` brings the database to this release and exits.

Any number may run at once: an advisory lock lets one work while the others wait. `… migrate wait` changes
nothing, and exits once somebody else has done it.
"""

import sys
import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import OperationalError

from drover_shared.clock import SystemClock
from drover_shared.db.engine import make_engine
from drover_shared.db.gently import AHEAD, index_partitions
from drover_shared.db.partitions import ensure_partitions
from drover_shared.logging import configure, get_logger
from drover_shared.process import run_main, stop_on_signals
from drover_shared.settings import Environment, LogSettings, SettingsError

_LOCK = 0x64726F77
APPLICATION = "drover-migrate"  # as the database names it
_LOOK_SECONDS = 1.0
LOCK_WAIT = "800ms"  # nobody waits for over a second: this, and what is done with the lock
# After this PostgreSQL's own vacuum gives way to a waiting migration, where its user may say so (a superuser,
# or GRANT SET ON PARAMETER deadlock_timeout): at the server's second it never would, as the wait ends before.
_VACUUM_WAIT = "200ms"
_WAITS = f"""
    SELECT set_config('lock_timeout', '{LOCK_WAIT}', true),
           CASE WHEN has_parameter_privilege('deadlock_timeout', 'SET')
           THEN set_config('deadlock_timeout', '{_VACUUM_WAIT}', true) END
"""
_TRIED_AGAIN = {"55P03", "40P01"}  # a lock that was not to be had in time; a deadlock with those who work
_PAUSES = (0.5, 1, 2, 4, 8, 8, 8, 8, 8, 8, None)  # seconds between tries; None: no more


def alembic_config() -> Config:
    """Alembic's configuration without a file of its own."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(url: str, target: str = "head", stop: threading.Event | None = None) -> None:
    """Migrate the database at `url` to a revision and make the event partitions of the next days.

    Raises OperationalError where a table stays in use for all of the tries; what was migrated stays so.
    """
    engine = make_engine(url, pool_size=2, application=APPLICATION)
    try:
        _upgrade(engine, target, stop or threading.Event())
    finally:
        engine.dispose()


def _upgrade(engine: Engine, target: str, stop: threading.Event) -> None:
    """One at a time: the first connection's transaction holds a lock, and nothing else, until the end."""
    with engine.begin() as guard:
        guard.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))  # a migration may take long
        guard.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        _build_ahead(engine, target)
        for pause in _PAUSES:
            try:
                with engine.connect() as connection:
                    _migrate(connection, target)
            except OperationalError as error:
                if getattr(error.orig, "pgcode", None) not in _TRIED_AGAIN or pause is None:
                    raise
                get_logger("drover.migrate").warning("table_in_use", retry_seconds=pause)
                stop.wait(pause)
            else:
                return


def _build_ahead(engine: Engine, target: str) -> None:
    """The indexes that the migrations to come would hold others up for; nothing in an empty database."""
    scripts = ScriptDirectory.from_config(alembic_config())
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        if current is None or current not in {script.revision for script in scripts.walk_revisions()}:
            return
        for script in scripts.iterate_revisions(target, current):
            for index in AHEAD.get(script.revision, ()):
                get_logger("drover.migrate").info("index_ahead", table=index.table, index=index.suffix)
                index_partitions(connection, index)


def _migrate(connection: Connection, target: str) -> None:
    """Each migration in a transaction of its own, which waits for a table for `LOCK_WAIT` at most.

    Whoever comes after a waiting ALTER TABLE waits too: so it gives up soon, and is tried again.
    """
    event.listen(connection, "begin", lambda one: one.exec_driver_sql(_WAITS))
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, target)
    ensure_partitions(connection, SystemClock().now().date())  # in what alembic's last look began, if it did
    connection.commit()


def is_migrated(engine: Engine) -> bool:
    """Whether the database has every migration of this release; it may have more, of a later one."""
    scripts = ScriptDirectory.from_config(alembic_config())
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    return found == scripts.get_current_head() or (found is not None and found not in known)


def wait(url: str, stop: threading.Event) -> bool:
    """Return once the database is migrated; False where `stop` came first."""
    engine = make_engine(url, pool_size=1, application="drover-migrate-wait")
    log = get_logger("drover.migrate")
    try:
        while not stop.is_set():
            try:
                if is_migrated(engine):
                    return True
                log.info("waiting_for_migration")
            except OperationalError:
                log.info("waiting_for_database")
            stop.wait(_LOOK_SECONDS)
    finally:
        engine.dispose()
    return False


def main() -> int:
    env = Environment()
    configure("migrate", LogSettings.read(env))
    url = env.text("DROVER_DATABASE_URL")
    match sys.argv[1:]:
        case []:
            upgrade(url, stop=stop_on_signals())
        case ["wait"]:
            return 0 if wait(url, stop_on_signals()) else 1
        case other:
            raise SettingsError(f"unknown arguments {other}: the only one is wait")
    get_logger("drover.migrate").info("database_migrated")
    return 0


if __name__ == "__main__":
    run_main(main)
