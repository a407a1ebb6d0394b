"""`stats`: what there is, and what happened of late."""
# ruff: noqa: T201 - what a command prints is its answer

from typing import Any

from drover_shared.db.engine import make_engine
from drover_shared.messages.streams import EVENTS_STREAM, LOGS_STREAM
from drover_shared.redis_address import RedisAddress
from drover_shared.settings import Environment
from sqlalchemy import Connection, text

_LATELY = "created_at > now() - interval '1 hour'"
_QUERIES = {
    "jobs not over": """
        SELECT status, count(*) FROM jobs WHERE status IN ('pending', 'queued', 'running') GROUP BY 1
    """,
    "jobs of the last hour": f"SELECT status, count(*) FROM jobs WHERE {_LATELY} GROUP BY 1",  # noqa: S608 - ours
    "runs of the last hour": f"SELECT state, count(*) FROM job_runs WHERE {_LATELY} GROUP BY 1",  # noqa: S608
    "executors": """
        SELECT CASE WHEN draining THEN 'draining' WHEN last_seen_at > now() - interval '1 minute' THEN 'alive'
                    ELSE 'silent' END, count(*) FROM executors GROUP BY 1
    """,
    "dead letters": "SELECT stream, count(*) FROM dead_letters GROUP BY 1",
}
_SIZES = text("""
    SELECT coalesce(parent.relname, child.relname),
           sum(pg_total_relation_size(child.oid)), sum(child.reltuples)
    FROM pg_class AS child
    LEFT JOIN pg_inherits ON inhrelid = child.oid LEFT JOIN pg_class AS parent ON parent.oid = inhparent
    WHERE child.relkind = 'r' AND child.relnamespace = 'public'::regnamespace
    GROUP BY 1 ORDER BY 2 DESC LIMIT 8
""")


def stats(env: Environment) -> int:
    """Print counts of jobs, runs, executors, letters and streams, and the largest tables."""
    engine = make_engine(env.text("DROVER_DATABASE_URL"), pool_size=1, application="drover-stats")
    try:
        with engine.connect() as connection:
            for title, query in _QUERIES.items():
                rows = sorted(tuple(row) for row in connection.execute(text(query)))
                print(f"{title:<22} {', '.join(f'{name} {count}' for name, count in rows) or 'none'}")
            _print_sizes(connection)
    finally:
        engine.dispose()
    client = RedisAddress.parse(env.text("DROVER_REDIS_URL")).client(socket_timeout=5)
    lengths: dict[str, Any] = {stream: client.xlen(stream) for stream in (EVENTS_STREAM, LOGS_STREAM)}
    client.close()
    print(f"{'entries in streams':<22} {', '.join(f'{name} {length}' for name, length in lengths.items())}")
    return 0


def _print_sizes(connection: Connection) -> None:
    for name, size, rows in connection.execute(_SIZES):
        about = f"about {int(rows):,} rows" if rows > 0 else "not counted yet"
        print(f"{'table ' + name:<22} {float(size) / 1e6:,.1f} MB, {about}")
