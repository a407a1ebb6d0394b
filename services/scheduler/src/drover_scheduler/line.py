"""Who is next in a pool: fair between organizations, then by priority, then by age.

Jobs wait in lanes: those of one organization, template and inventory, which the same limits bind. Only the
head of each lane is looked at, so a decision costs the same however long the lanes are.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

SPARE = 10  # attempts that may wait in a pool beyond one for each slot of its living executors
ALIVE_SECONDS = 30  # an executor that said nothing for longer is not counted on

_POOLS = text("""
    WITH RECURSIVE pools AS (
        (SELECT executor_pool FROM jobs
         WHERE status = 'pending' AND NOT cancel_requested AND waits_for_job_id IS NULL
         ORDER BY executor_pool LIMIT 1)
        UNION ALL
        SELECT (SELECT executor_pool FROM jobs
                WHERE status = 'pending' AND NOT cancel_requested AND waits_for_job_id IS NULL
                  AND executor_pool > pools.executor_pool
                ORDER BY executor_pool LIMIT 1)
        FROM pools WHERE pools.executor_pool IS NOT NULL
    )
    SELECT executor_pool FROM pools WHERE executor_pool IS NOT NULL
""")

# What they look at, and how, is said where they are made: in the migration `0020_line`.
_ROOM = text("SELECT room_in_pool(:pool, :spare, :alive)")
_NEXT = text("SELECT * FROM next_in_line(:pool, :at_once)")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that may start as far as the line knows; a limit of 0 is none."""

    job_id: int
    template: int
    template_limit: int
    inventory: int
    inventory_limit: int


def waiting_pools(connection: Connection) -> list[str]:
    """The pools with a job that has no attempt yet."""
    return list(connection.scalars(_POOLS))


def room(connection: Connection, pool: str) -> int:
    """How many more attempts may wait in a pool; 0 where no job wants one.

    Few wait at once: the line is fair only as long as it is not yet turned into attempts.
    """
    found = connection.scalar(_ROOM, {"pool": pool, "spare": SPARE, "alive": ALIVE_SECONDS})
    return int(found or 0)


def next_in_line(connection: Connection, pool: str, at_once: int) -> list[Candidate]:
    """The next jobs of a pool: first of whoever has the fewest at work there, the most urgent first.

    Two lanes that share a limit may each offer a job for the same place: `attempts` looks again.
    """
    rows = connection.execute(_NEXT, {"pool": pool, "at_once": at_once})
    return [Candidate(*row) for row in rows]
