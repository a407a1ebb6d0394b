"""A migration that commits on its way may stop there, and gets through when it is run again."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from drover_shared.db.migrate import alembic_config, is_migrated, upgrade
from sqlalchemy import Engine, create_engine, make_url, text
from support.servers import StackServers

STOPS_HALF_WAY = re.compile(r"autocommit_block|db\.gently")


@pytest.fixture
def plain_url(stack_servers: StackServers) -> Iterator[str]:
    """An empty database of a user who may do what an owner may, and nothing more."""
    stack_servers.sql("CREATE ROLE plain LOGIN PASSWORD 'plain'")
    stack_servers.sql("CREATE DATABASE plain OWNER plain")
    url = make_url(stack_servers.database_url("plain")).set(username="plain", password="plain")
    yield url.render_as_string(hide_password=False)
    stack_servers.drop_database("plain")
    stack_servers.sql("DROP ROLE plain")


def test_a_migration_that_was_interrupted_is_run_again_from_its_start(plain_url: str) -> None:
    """Those that commit on their way; by a user who is no superuser, as at most providers of databases."""
    engine = create_engine(plain_url)
    scripts = ScriptDirectory.from_config(alembic_config())
    again = [
        script for script in scripts.walk_revisions() if STOPS_HALF_WAY.search(Path(script.path).read_text())
    ]
    for script in reversed(again):
        upgrade(plain_url, script.revision)
        before = indexes(engine)
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE alembic_version SET version_num = :before"), {"before": script.down_revision}
            )
        upgrade(plain_url, script.revision)
        assert indexes(engine) == before
    upgrade(plain_url)
    assert is_migrated(engine)
    engine.dispose()


def indexes(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(text("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'")))
