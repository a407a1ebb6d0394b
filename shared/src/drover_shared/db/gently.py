"""Indexes of large tables that nobody waits for.

`CREATE INDEX` on a partitioned table locks every partition for as long as it builds, and `CONCURRENTLY` is
not for such tables. But it takes over an index that a partition has already, where it is alike. So each
partition's is built before, concurrently, and the migration's own statement takes no time.
"""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, text

_PARTITIONS = text("""
    SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(:table) ORDER BY 1
""")
_IS_VALID = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


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
        name = f"{partition}_{index.suffix}"
        valid = connection.scalar(_IS_VALID, {"name": name})
        if valid is False:
            connection.execute(text(f"DROP INDEX CONCURRENTLY {name}"))
        if not valid:
            connection.execute(text(f"CREATE INDEX CONCURRENTLY {name} ON {partition} {index.definition}"))
