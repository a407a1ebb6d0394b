"""How many jobs there are, without counting them: triggers write down every change, this adds them up.

Each insert and delete of jobs adds a row to `job_counts`, so no two transactions wait for each other; the sum
is exact at any moment. Rows are added up into one an organization from time to time.
"""

from sqlalchemy import Connection, text

WORTH_IT = 1000  # new rows since the last time
_AT_ONCE = 20_000

_NEWEST = text("SELECT coalesce(max(id), 0) FROM job_counts")
_ADD_UP = text("""
    WITH gone AS (
        DELETE FROM job_counts WHERE id IN (
            SELECT id FROM job_counts ORDER BY id LIMIT :at_once FOR UPDATE SKIP LOCKED
        ) RETURNING organization_id, kind, jobs
    )
    INSERT INTO job_counts (organization_id, kind, jobs)
    SELECT organization_id, kind, sum(jobs) FROM gone GROUP BY organization_id, kind HAVING sum(jobs) <> 0
""")


def add_up(connection: Connection, since: int) -> int:
    """Add up where many rows came after the id `since`; returns what to pass the next time."""
    newest = int(connection.scalar(_NEWEST) or 0)
    if newest - since < WORTH_IT:
        return since
    connection.execute(_ADD_UP, {"at_once": _AT_ONCE})
    return int(connection.scalar(_NEWEST) or 0)
