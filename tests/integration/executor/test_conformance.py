"""Executors held to the protocol by the kit, as far as it is quick; tests/chaos tries each rule in turn."""

from support.conformance import OURS, WRONG, WRONG_IN, faults_at_once

WORK = ("E1", "E2", "E3", "E4", "E5", "P1", "P2", "P3", "P4", "P5", "P6")
CANCELS = ("K1", "K2", "K3")
REFUSALS = ("K5", "K6", "K7")
SHOWN = ("E1", "E4", "P1", "P3", "P4"), ("P8",)


def test_ours_keeps_the_rules() -> None:
    assert faults_at_once(OURS, WORK, CANCELS, REFUSALS) == {}


def test_one_that_is_wrong_is_told_what_it_breaks() -> None:
    found = faults_at_once(WRONG, *SHOWN, patience=3)
    assert found.keys() == WRONG_IN & {number for group in SHOWN for number in group}
    assert found["P4"] == "job-runs/events [1] never came again"
