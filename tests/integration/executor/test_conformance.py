"""Executors held to the protocol by the kit; the rules that take long are in tests/chaos."""

from drover_cli.conformance.suite import EXECUTOR_RULES
from support.conformance import OURS, WRONG, WRONG_IN, faults

SLOW = {"E6", "E8", "K8", "K9", "K10", "K11", "K12"}
SHOWN = ("E1", "E4", "P1", "P3", "P4", "P8")


def test_ours_keeps_the_rules() -> None:
    assert faults(OURS, *(EXECUTOR_RULES.keys() - SLOW)) == {}


def test_one_that_is_wrong_is_told_what_it_breaks() -> None:
    found = faults(WRONG, *SHOWN, patience=3)
    assert found.keys() == WRONG_IN & set(SHOWN)
    assert found["P4"] == "job-runs/events [1] never came again"
