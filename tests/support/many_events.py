"""Events by the million, made by SQL."""

from collections.abc import Sequence

from sqlalchemy import Engine, text

ROWS_A_RUN = 10_000
_FILL = text("""
    INSERT INTO job_events (job_run_id, seq, job_id, timestamp, event_type, host, task_name, changed, data)
    SELECT run, seq, 1, now(), 'TASK_OK', 'web' || seq % 100, 'Install nginx', seq % 5 = 0, '{"rc": 0}'
    FROM unnest(CAST(:runs AS uuid[])) AS run, generate_series(1, :each) AS seq
""")
_PROGRESS = text("""
    INSERT INTO run_event_progress (job_run_id, job_id, received, events)
    SELECT run, 1, int8multirange(int8range(1, :each + 1)), :each FROM unnest(CAST(:runs AS uuid[])) AS run
""")


def fill_runs(engine: Engine, runs: Sequence[str]) -> None:
    """`ROWS_A_RUN` small events for each of these runs, complete."""
    for low in range(0, len(runs), 50):
        some = {"runs": list(runs[low : low + 50]), "each": ROWS_A_RUN}
        with engine.begin() as connection:
            connection.execute(_FILL, some)
            connection.execute(_PROGRESS, some)
