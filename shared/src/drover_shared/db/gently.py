"""What migrations do to large tables so that nobody waits: indexes, checks and new values of old rows.

The steps named by verbs are for migrations. They are outside of its transaction: what came before in the
migration is committed, and its locks are gone. So a migration with such a step may stop half way, and has to
get through when it is run again from its start (`IF NOT EXISTS`, `IF EXISTS`).

`CREATE INDEX` on a partitioned table locks every partition for as long as it builds, and `CONCURRENTLY` is
not for such tables. But it takes over an index that a partition has already, where it is alike. So each
partition's is built before, concurrently, and the migration's own statement takes no time.
"""

from collections.abc import Mapping
from typing import NamedTuple

from alembic import op
from sqlalchemy import Connection, text

_PARTITIONS = text("""
    SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(:table) ORDER BY 1
""")
_IS_VALID = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
_ROWS = 500  # changed at once: what waits for one of them waits some tens of milliseconds


class PartitionIndex(NamedTuple):
    """An index of each partition of `table`, by a name of the partition's and `suffix`."""

    table: str
    suffix: str
    definition: str


# What is built before a migration runs, by its revision.
AHEAD: Mapping[str, tuple[PartitionIndex, ...]] = {
    "0013_reading": (
        PartitionIndex("job_events", "changed", "(job_run_id, seq) WHERE changed"),
        PartitionIndex("job_events", "failed", "(job_run_id, seq) WHERE failed"),
    ),
}


def index_partitions(connection: Connection, index: PartitionIndex) -> None:
    """Build what is missing, outside of any transaction; what an earlier try left half made is made again."""
    for partition in connection.scalars(_PARTITIONS, {"table": index.table}).all():
        _build(connection, f"{partition}_{index.suffix}", f"{partition} {index.definition}")


def build_index(name: str, on: str, *, unique: bool = False) -> None:
    """An index `on` a table and its columns, built beside those who write; one half made is made again."""
    with op.get_context().autocommit_block():
        _build(op.get_bind(), name, on, unique=unique)


def drop_index(name: str) -> None:
    """Away with an index, where it is still there."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def validate(table: str, *constraints: str) -> None:
    """Look at the rows that were there before constraints that were added `NOT VALID`."""
    with op.get_context().autocommit_block():
        for constraint in constraints:
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")


def update_by_batches(table: str, change: str, *, first: str) -> None:
    """Run `change`, an UPDATE of the rows with `id > :low AND id <= :high`, for all rows, some at a time.

    `first` is less than every id. Each batch is a transaction of its own. Rows that others add meanwhile are
    left as they are: to follow them might have no end.
    """
    newest = text(f"SELECT id FROM {table} ORDER BY id DESC LIMIT 1")  # noqa: S608 - a table of ours
    batch = text(f"SELECT id FROM {table} WHERE id > :low AND id <= :end ORDER BY id LIMIT {_ROWS}")  # noqa: S608 - the same
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        low: object = first
        end = connection.scalar(newest)
        while ids := connection.scalars(batch, {"low": low, "end": end}).all():
            connection.execute(text(change), {"low": low, "high": ids[-1]})
            low = ids[-1]


def _build(connection: Connection, name: str, on: str, *, unique: bool = False) -> None:
    valid = connection.scalar(_IS_VALID, {"name": name})
    if valid is False:
        connection.execute(text(f"DROP INDEX CONCURRENTLY {name}"))
    if not valid:
        kind = "UNIQUE INDEX" if unique else "INDEX"
        connection.execute(text(f"CREATE {kind} CONCURRENTLY {name} ON {on}"))
