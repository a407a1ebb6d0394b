"""What a migration may do to a table that people work with: nothing that holds a lock for long.

These rules read the migrations; `tests/integration/shared/test_upgrade.py` looks at the locks themselves.
"""

import re
from collections.abc import Collection
from pathlib import Path

import pytest
from drover_shared.db.gently import AHEAD

VERSIONS = Path(__file__).resolve().parents[3] / "shared/src/drover_shared/db/migrations/versions"
PATHS = sorted(VERSIONS.glob("[0-9]*.py"))
# Tables that grow with the work done.
BIG = (
    *("jobs", "job_runs", "job_events", "job_host_summaries", "log_chunks", "log_archives"),
    *("run_event_progress", "run_log_progress", "inventory_snapshots", "activity"),
)

CREATE_INDEX = re.compile(
    r"CREATE (?:UNIQUE )?INDEX (CONCURRENTLY )?(?:IF NOT EXISTS )?\w+\s+ON (?:ONLY )?(\w+)", re.IGNORECASE
)
CREATE_TABLE = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", re.IGNORECASE)
ALTER_TABLE = re.compile(r"ALTER TABLE (?:ONLY )?(\w+)(.*?)(?:;|\"\"\")", re.IGNORECASE | re.DOTALL)
# Each reads or writes the whole table while nobody else may use it.
REWRITES = {
    "a new type": r"ALTER (?:COLUMN )?\w+ (?:SET DATA )?TYPE",
    "NOT NULL on what is there": r"ALTER (?:COLUMN )?\w+ SET NOT NULL",
    "a constraint not NOT VALID": r"ADD CONSTRAINT \w+ (?:CHECK|FOREIGN KEY)(?!.*NOT VALID)",
    "a constraint that makes its own index": r"ADD (?:CONSTRAINT \w+ )?(?:UNIQUE|PRIMARY KEY)\s*\(",
    "a default that differs a row": r"ADD COLUMN .*DEFAULT (?:clock_timestamp|random|gen_random_uuid|uuidv7)",
    "a generated column": r"GENERATED ALWAYS",
}


def faults(source: str, ahead: Collection[str] = ()) -> list[str]:
    """What in a migration would hold up those who work with a big table; `ahead`: tables indexed before."""
    new = set(CREATE_TABLE.findall(source))
    found = [
        f"index on {table} not CONCURRENTLY"
        for concurrently, table in CREATE_INDEX.findall(source)
        if table in BIG and table not in new and not concurrently and table not in ahead
    ]
    for table, rest in ALTER_TABLE.findall(source):
        if table in BIG and table not in new:
            found += [
                f"{table}: {what}"
                for what, pattern in REWRITES.items()
                if re.search(pattern, rest, re.IGNORECASE | re.DOTALL)
            ]
    found += [
        f"UPDATE of all of {table}"
        for table, rest in re.findall(r"UPDATE (\w+) SET(.*?)(?=;|\"\"\"|\Z)", source, re.DOTALL)
        if table in BIG and ":low" not in rest  # of `update_by_batches`
    ]
    return found


def test_migrations_are_one_line() -> None:
    known = [re.findall(r'^(?:down_)?revision = "?([\w]+)', path.read_text(), re.MULTILINE) for path in PATHS]
    assert [before for _, before in known] == ["None", *(revision for revision, _ in known[:-1])]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.stem))
def test_a_migration_holds_nobody_up(path: Path) -> None:
    source = path.read_text()
    revision = re.search(r'^revision = "(.*)"', source, re.MULTILINE)
    assert revision is not None
    assert faults(source, {index.table for index in AHEAD.get(revision[1], ())}) == []


@pytest.mark.parametrize(
    ("statement", "count"),
    [
        ("CREATE INDEX ix ON jobs (name);", 1),
        ("CREATE INDEX CONCURRENTLY ix ON jobs (name);", 0),
        ("CREATE TABLE jobs (id int); CREATE INDEX ix ON jobs (id);", 0),
        ("CREATE INDEX ix ON teams (name);", 0),
        ("ALTER TABLE jobs ADD COLUMN x integer NOT NULL DEFAULT 0;", 0),
        ("ALTER TABLE jobs ADD COLUMN x uuid DEFAULT gen_random_uuid();", 1),
        ("ALTER TABLE job_runs ALTER COLUMN pool TYPE varchar(10);", 1),
        ("ALTER TABLE job_runs ALTER COLUMN pool SET NOT NULL;", 1),
        ("ALTER TABLE jobs ADD CONSTRAINT c CHECK (forks > 0);", 1),
        ("ALTER TABLE jobs ADD CONSTRAINT c CHECK (forks > 0) NOT VALID;", 0),
        ("UPDATE jobs SET forks = 1;", 1),
        ("UPDATE jobs SET forks = 1 WHERE id > :low AND id <= :high", 0),
    ],
)
def test_the_rules_see_what_they_are_for(statement: str, count: int) -> None:
    assert len(faults(statement)) == count
