"""The database into a file and back, by PostgreSQL's own programs."""

import os
import shutil
import subprocess
from pathlib import Path

from sqlalchemy import make_url, text
from sqlalchemy.engine import URL

from drover_shared.db.engine import make_engine
from drover_shared.domain.errors import InfrastructureError


def dump(url: str, file: Path, programs: str) -> None:
    """As of one moment, into `file`, in pg_dump's custom format. Raises InfrastructureError."""
    part = file.with_name(f"{file.name}.part")
    _run(url, [_program("pg_dump", programs), "--format=custom", "--no-owner", f"--file={part}"])
    part.replace(file)


def restore(url: str, file: Path, programs: str) -> None:
    """All of `file` in one transaction into a database without tables. Raises InfrastructureError."""
    command = [_program("pg_restore", programs), "--no-owner", "--exit-on-error", "--single-transaction"]
    _run(url, [*command, f"--dbname={make_url(url).database}", str(file)])


def clear(url: str) -> None:
    """Drop every table, function and type of ours."""
    engine = make_engine(url, pool_size=1, application="drover-restore")
    try:
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    finally:
        engine.dispose()


def revision(url: str) -> str | None:
    """The database's migration; None where there is not a single table of ours."""
    engine = make_engine(url, pool_size=1, application="drover-backup")
    try:
        with engine.connect() as connection:
            if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
                return None
            found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return found
    finally:
        engine.dispose()


def _program(name: str, folder: str) -> str:
    found = shutil.which(name, path=folder or None)
    if found is None:
        raise InfrastructureError(f"{name} is not on PATH; DROVER_POSTGRES_PROGRAMS may name its folder")
    return found


def _run(url: str, command: list[str]) -> None:
    done = subprocess.run(
        command, env={**os.environ, **_connection(make_url(url))}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise InfrastructureError(f"{Path(command[0]).name}: {done.stderr.strip()}")


def _connection(url: URL) -> dict[str, str]:
    """Libpq's variables: a password must not be in the process list."""
    parts = {
        "PGHOST": url.host,
        "PGPORT": None if url.port is None else str(url.port),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
    }
    return {name: str(value) for name, value in parts.items() if value is not None}
