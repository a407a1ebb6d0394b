"""A short storm with a fixed seed; `./drover chaos --minutes N --seed S` makes longer ones."""

from pathlib import Path

import pytest
from support.audit import audit, processes_of
from support.chaos import SETTINGS, Chaos
from support.live import LiveStack

SEED = 20
FAULTS = 5


@pytest.mark.e2e
def test_a_short_storm_costs_nothing(tmp_path: Path) -> None:
    stack = LiveStack(tmp_path / "home", SETTINGS)
    stack.start()
    try:
        chaos = Chaos(stack, SEED, tmp_path / "diary")
        chaos.prepare(tmp_path / "project")
        chaos.run(6, lambda: chaos.faults / FAULTS)
        counts = audit(chaos, 120)
        assert counts.get("successful", 0) >= 3, counts
    finally:
        stack.stop()
    assert processes_of(stack.home.folder) == []
