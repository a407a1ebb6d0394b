"""`python -m drover_shared.backup create|check|restore FOLDER`; `objects` and `restore-objects`: those alone.

Where PostgreSQL's programs lie in another container, the database goes by them, and the rest by those two.
"""
# ruff: noqa: T201 - what a command prints is its answer

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drover_shared.backup import database, objects
from drover_shared.clock import SystemClock, rfc3339
from drover_shared.db.migrate import upgrade
from drover_shared.domain.errors import InfrastructureError
from drover_shared.objects import ObjectStore
from drover_shared.process import run_main
from drover_shared.settings import Environment, S3Settings

MANIFEST, DATABASE, OBJECTS = "backup.json", "database.dump", "objects"


class BackupError(Exception):
    """One line for the operator."""


def programs_folder(env: Environment) -> str:
    """Where pg_dump and pg_restore lie; empty for PATH."""
    return env.text("DROVER_POSTGRES_PROGRAMS", os.pathsep).strip(os.pathsep)


def main() -> int:
    return run(sys.argv[1:], Environment())


def run(arguments: Sequence[str], env: Environment) -> int:
    """0 where all went well; 1 with a line on stderr."""
    parser = argparse.ArgumentParser(
        prog="backup", description="All that Drover keeps, into a folder and back."
    )
    parser.add_argument("command", choices=["create", "check", "restore", "objects", "restore-objects"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--replace", action="store_true", help="restore: drop what the database holds first")
    options = parser.parse_args(arguments)
    try:
        match options.command:
            case "create":
                create(options.folder, env)
            case "check":
                check(options.folder)
            case "objects":
                copy_objects(options.folder, env)
            case "restore-objects":
                restore_objects(options.folder, env)
            case _:
                restore(options.folder, env, replace=options.replace)
    except (BackupError, InfrastructureError, OSError) as error:
        print(f"backup: {error}", file=sys.stderr)
        return 1
    return 0


def create(folder: Path, env: Environment) -> None:
    """A backup in `folder`, beside the services; objects that an earlier one left there stay."""
    url, programs = env.text("DROVER_DATABASE_URL"), programs_folder(env)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)  # without it the folder is no backup
    revision = database.revision(url)
    if revision is None:
        raise BackupError("the database has no tables: there is nothing to keep")
    copy_objects(folder, env)
    database.dump(url, folder / DATABASE, programs)
    print(f"database: {(folder / DATABASE).stat().st_size} bytes")
    copy_objects(folder, env)
    manifest = {
        "format": 1,
        "created_at": rfc3339(SystemClock().now()),
        "revision": revision,
        **_contents(folder),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    print(f"{folder}: complete, {manifest['objects']['count']} objects. Keep the secret keys too, elsewhere")


def copy_objects(folder: Path, env: Environment) -> None:
    """One pass over the objects."""
    with _store(env) as store:
        copied = objects.copy_out(store, folder / OBJECTS)
    print(f"objects: {copied.objects} copied, {copied.size} bytes")


def check(folder: Path) -> dict[str, Any]:
    """The manifest of a backup whose files are as it says. Raises BackupError."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        raise BackupError(f"{folder} is not a complete backup: it has no {MANIFEST}") from None
    found = _contents(folder)
    for name, value in found.items():
        if manifest.get(name) != value:
            raise BackupError(f"{folder} is damaged: {name} is {value}, and was {manifest.get(name)}")
    print(f"{folder}: as it was made at {manifest['created_at']}")
    return manifest


def restore(folder: Path, env: Environment, *, replace: bool) -> None:
    """Bring everything back into an empty database and a bucket, at this release's migration.

    Jobs that ran when the backup was made get a new attempt, as after any loss of their executors.
    """
    url, programs = env.text("DROVER_DATABASE_URL"), programs_folder(env)
    check(folder)
    if database.revision(url) is not None and not replace:
        raise BackupError("the database has tables already: restore into an empty one, or with --replace")
    restore_objects(folder, env)
    if replace:
        database.clear(url)
    database.restore(url, folder / DATABASE, programs)
    upgrade(url)
    print(f"database: restored, migration {database.revision(url)}")


def restore_objects(folder: Path, env: Environment) -> None:
    """Every object of the folder into the bucket, which is made where there is none."""
    with _store(env) as store:
        store.ensure_bucket()
        copied = objects.copy_in(store, folder / OBJECTS)
    print(f"objects: {copied.objects}, {copied.size} bytes")


def _contents(folder: Path) -> dict[str, Any]:
    dump = folder / DATABASE
    found = objects.files(folder / OBJECTS)
    return {
        "database": {"bytes": dump.stat().st_size, "sha256": objects.sha256_of(dump)},
        "objects": {"count": len(found), "bytes": sum(path.stat().st_size for path in found)},
    }


@contextmanager
def _store(env: Environment) -> Iterator[ObjectStore]:
    store = ObjectStore(S3Settings.read(env), connections=objects.AT_ONCE)
    try:
        yield store
    finally:
        store.close()


if __name__ == "__main__":
    run_main(main)
