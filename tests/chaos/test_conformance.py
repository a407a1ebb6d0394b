"""Every rule of the kit for executors, those that wait for leases too."""

from support.conformance import OURS, WRONG, WRONG_IN, faults


def test_ours_keeps_every_rule() -> None:
    assert faults(OURS) == {}


def test_one_that_is_wrong_is_told_all_that_it_breaks() -> None:
    assert faults(WRONG, patience=3).keys() == WRONG_IN
