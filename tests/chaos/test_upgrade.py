"""A new release under running jobs: each service of the control plane is replaced twice; nobody notices."""

from pathlib import Path

import pytest
from support.audit import audit, processes_of
from support.chaos import SETTINGS, Chaos
from support.fleet import Fleet

UPGRADED = ("api", "scheduler-1", "event-ingest-1", "log-store-1")


@pytest.mark.e2e
def test_jobs_run_on_while_every_service_is_replaced_twice(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "fleet", {**SETTINGS, "DROVER_LEASE_SECONDS": "60"})
    try:
        fleet.start()
        chaos = Chaos(fleet, 0, tmp_path / "diary")
        chaos.prepare(tmp_path / "project")
        for name in UPGRADED * 2:
            chaos.launch()
            assert fleet.stop_one(name) == 0, f"{name} did not stop by itself"
            fleet.start_one(name)
            fleet.await_ready(name)
        counts = audit(chaos, 120)
        assert counts == {"successful": len(UPGRADED) * 2, "lost attempts": 0}
    finally:
        fleet.stop()
    assert processes_of(fleet.folder) == []
