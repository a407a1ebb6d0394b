"""Which transactions would hold others up: they look at many rows while they keep others from a table."""

from sqlalchemy import Connection, Engine, event, text

_FILLED = """
    '^(jobs|job_runs|job_events.*|job_host_summaries|run_(event|log)_progress|log_chunks|activity)$'
"""
# Of these, what this transaction keeps others from writing or even reading.
_KEPT = text(f"""
    SELECT relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation
    WHERE pid = pg_backend_pid() AND relkind IN ('r', 'p') AND relname ~ {_FILLED}
      AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
""")  # noqa: S608 - ours
# Their rows that this connection has read or changed, by PostgreSQL's count.
_ROWS_SEEN = text(f"""
    SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0) + n_tup_ins + n_tup_upd + n_tup_del), 0)
    FROM pg_stat_xact_user_tables WHERE relname ~ {_FILLED}
""")  # noqa: S608 - ours
FEW = 100  # rows that are quick, whatever is done with them


class Transactions:
    """Watches an engine's: which of them look at many rows while they keep others from a table."""

    def __init__(self, engine: Engine) -> None:
        self.slow: list[str] = []
        self.keeping = 0
        self._seen = 0
        event.listen(engine, "begin", self._begin)
        event.listen(engine, "commit", self._commit)

    def _begin(self, connection: Connection) -> None:
        self._seen = int(connection.scalar(_ROWS_SEEN) or 0)

    def _commit(self, connection: Connection) -> None:
        kept = sorted(set(connection.scalars(_KEPT)))
        rows = int(connection.scalar(_ROWS_SEEN) or 0) - self._seen
        self.keeping += bool(kept)
        if kept and rows > FEW:
            at = connection.scalar(text("SELECT version_num FROM alembic_version"))
            self.slow.append(f"migration {at} looked at {rows} rows while it kept {kept}")
