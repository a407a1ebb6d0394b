"""A short storm with a fixed seed; `./drover chaos --minutes N --seed S` makes longer ones."""

from pathlib import Path

import pytest
from support.audit import audit, processes_of
from support.chaos import SETTINGS, Chaos
from support.fleet import Fleet

SEED = 983  # draws faults of each kind; kills of an executor, log-store, PostgreSQL and Redis
FAULTS, JOBS, PACE = 10, 3, 0.4


@pytest.mark.storm
def test_a_short_storm_costs_nothing(tmp_path: Path) -> None:
    """Each job ends well, or as it was asked to; the audit finds nothing lost, double or left over."""
    fleet = Fleet(tmp_path / "fleet", SETTINGS)
    try:
        fleet.start()
        chaos = Chaos(fleet, SEED, tmp_path / "diary", pace=PACE)
        chaos.prepare(tmp_path / "project")
        chaos.run(JOBS, lambda: chaos.count / FAULTS)
        counts = audit(chaos, 120)
        assert chaos.count == FAULTS
        assert counts.get("successful", 0) + counts.get("canceled", 0) == JOBS, counts
    finally:
        fleet.stop()
    assert processes_of(fleet.folder) == []
