"""Migrations: `python -m drover_shared.db.migrate` brings the database to this release and exits.

Any number may run at once: an advisory lock lets one work while the others wait.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from drover_shared.clock import SystemClock
from drover_shared.db.engine import make_engine
from drover_shared.db.partitions import ensure_partitions
from drover_shared.logging import configure, get_logger
from drover_shared.process import run_main
from drover_shared.settings import Environment, LogSettings

_LOCK = 0x64726F77


def alembic_config() -> Config:
    """Alembic's configuration without a file of its own."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(url: str) -> None:
    """Migrate the database at `url` to the newest revision and make the event partitions of the next days."""
    engine = make_engine(url, pool_size=1, application="drover-migrate")
    try:
        _upgrade(engine)
    finally:
        engine.dispose()


def _upgrade(engine: Engine) -> None:
    config = alembic_config()
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        ensure_partitions(connection, SystemClock().now().date())


def main() -> int:
    env = Environment()
    configure("migrate", LogSettings.read(env))
    upgrade(env.text("DROVER_DATABASE_URL"))
    get_logger("drover.migrate").info("database_migrated")
    return 0


if __name__ == "__main__":
    run_main(main)
