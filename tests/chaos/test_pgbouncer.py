"""The whole way of jobs with PgBouncer in transaction mode between every service and PostgreSQL."""

from pathlib import Path

import pytest
from drover_shared.db.migrate import is_migrated, upgrade
from sqlalchemy import create_engine
from support.audit import audit, processes_of
from support.chaos import SETTINGS, Chaos
from support.fleet import Fleet
from support.pgbouncer import PROGRAM, SERVER_CONNECTIONS, PgBouncer

JOBS = 4


class PooledFleet(Fleet):
    """Its services reach PostgreSQL by PgBouncer alone."""

    bouncer: PgBouncer | None = None

    def entry(self, server: str) -> int:
        if server != "postgres":
            return super().entry(server)
        if self.bouncer is None:
            self.bouncer = PgBouncer(self.folder / "pgbouncer", self.servers)
        return self.bouncer.port


@pytest.mark.e2e
@pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed (Debian: apt-get install pgbouncer)")
def test_jobs_run_behind_pgbouncer_in_transaction_mode(tmp_path: Path) -> None:
    """No session state: two of each service share a few server connections, a transaction at a time."""
    fleet = PooledFleet(tmp_path / "fleet", {**SETTINGS, "DROVER_LEASE_SECONDS": "60"}, replicas=2)
    try:
        fleet.start()
        assert fleet.bouncer is not None
        chaos = Chaos(fleet, 0, tmp_path / "diary")
        chaos.prepare(tmp_path / "project")
        for _ in range(JOBS):
            chaos.launch()
        counts = audit(chaos, 180)
        assert counts == {"successful": JOBS, "lost attempts": 0}
        pool = fleet.bouncer.pools(fleet.database)
        assert pool["pool_mode"] == "transaction"
        servers = sum(int(number) for name, number in pool.items() if name.startswith("sv_"))
        clients = int(pool["cl_active"]) + int(pool["cl_waiting"])
        assert servers <= SERVER_CONNECTIONS < clients, pool
        fleet.servers.sql("CREATE DATABASE migrated_behind")
        url = fleet.servers.database_url("migrated_behind", fleet.bouncer.port)
        upgrade(url)
        engine = create_engine(url)
        assert is_migrated(engine)
        engine.dispose()
    finally:
        if fleet.bouncer is not None:
            fleet.bouncer.stop()
        fleet.stop()
    assert processes_of(fleet.folder) == []
