"""A short storm with a fixed seed; `./drover chaos --minutes N --seed S` makes longer ones."""

from pathlib import Path

import pytest
from support.audit import audit, processes_of
from support.chaos import SETTINGS, Chaos
from support.fleet import Fleet

SEED = 20
FAULTS, JOBS = 8, 5


@pytest.mark.e2e
def test_a_short_storm_costs_nothing(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "fleet", SETTINGS)
    try:
        fleet.start()
        chaos = Chaos(fleet, SEED, tmp_path / "diary")
        chaos.prepare(tmp_path / "project")
        chaos.run(JOBS, lambda: chaos.count / FAULTS)
        counts = audit(chaos, 120)
        assert counts.get("successful", 0) >= JOBS // 2, counts
    finally:
        fleet.stop()
    assert processes_of(fleet.folder) == []
