"""Host summaries and the run's totals, in the transaction that stores the events they count."""

from collections.abc import Mapping
from uuid import UUID

from drover_shared.domain.events import HostCounts
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Boolean, DateTime, Integer, Text, Uuid

from drover_event_ingest.counting import HostChange, HostState, JobTotals
from drover_event_ingest.events import NAMES

_COLUMNS = ", ".join(NAMES)

_READ = text(f"""
    SELECT s.job_run_id, s.host, {_COLUMNS}, final, last_event_at FROM job_host_summaries AS s
    JOIN unnest(:runs, :hosts) AS wanted (job_run_id, host) USING (job_run_id, host)
""").bindparams(  # noqa: S608 - the names are this program's
    bindparam("runs", type_=ARRAY(Uuid)), bindparam("hosts", type_=ARRAY(Text))
)

_WRITE = text(f"""
    INSERT INTO job_host_summaries (job_run_id, host, job_id, {_COLUMNS}, final, last_event_at)
    SELECT * FROM unnest(:runs, :hosts, :jobs, {", ".join(f":{name}" for name in NAMES)}, :final, :last)
    ON CONFLICT (job_run_id, host) DO UPDATE SET
        final = excluded.final, last_event_at = excluded.last_event_at,
        {", ".join(f"{name} = excluded.{name}" for name in NAMES)}
""").bindparams(  # noqa: S608 - the names are this program's
    bindparam("runs", type_=ARRAY(Uuid)),
    bindparam("hosts", type_=ARRAY(Text)),
    bindparam("jobs", type_=ARRAY(BigInteger)),
    bindparam("final", type_=ARRAY(Boolean)),
    bindparam("last", type_=ARRAY(DateTime(timezone=True))),
    *(bindparam(name, type_=ARRAY(Integer)) for name in NAMES),
)

Key = tuple[UUID, str]


def store_summaries(
    connection: Connection, changes: Mapping[Key, HostChange], jobs: Mapping[UUID, int]
) -> dict[UUID, JobTotals]:
    """Apply changes to the summaries; returns by how much each run's totals change.

    The caller holds the lock on each run's progress row, so nobody else touches these summaries.
    """
    if not changes:
        return {}
    before = _read(connection, changes)
    after = {key: change.applied_to(before.get(key, HostState())) for key, change in changes.items()}
    _write(connection, after, jobs)
    totals: dict[UUID, JobTotals] = {}
    for key, state in after.items():
        old, new = before.get(key), JobTotals.of(state)
        if old is None or JobTotals.of(old) != new:
            change = new.plus(JobTotals.of(old), -1)
            totals[key[0]] = totals.get(key[0], JobTotals()).plus(change)
    return totals


def _read(connection: Connection, keys: Mapping[Key, HostChange]) -> dict[Key, HostState]:
    rows = connection.execute(_READ, {"runs": [run for run, _ in keys], "hosts": [host for _, host in keys]})
    return {
        (run, host): HostState(HostCounts(*numbers), final, last) for run, host, *numbers, final, last in rows
    }


def _write(connection: Connection, states: Mapping[Key, HostState], jobs: Mapping[UUID, int]) -> None:
    columns = {name: [getattr(state.counts, name) for state in states.values()] for name in NAMES}
    connection.execute(
        _WRITE,
        {
            "runs": [run for run, _ in states],
            "hosts": [host for _, host in states],
            "jobs": [jobs[run] for run, _ in states],
            "final": [state.final for state in states.values()],
            "last": [state.last_event_at for state in states.values()],
            **columns,
        },
    )
