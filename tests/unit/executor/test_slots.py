"""Slots are for runs at work: one whose end is reported makes room while its output waits to be stored."""

from uuid import UUID

from drover_executor.executor import Slots


def run(number: int) -> UUID:
    return UUID(int=number)


def test_a_run_that_ended_makes_room_and_is_still_waited_for() -> None:
    slots = Slots(1)
    first = slots.take(run(1))
    assert first is not None
    assert slots.take(run(1)) is None
    assert not slots.wait_free(0)
    first.report()
    assert slots.wait_free(0)
    second = slots.take(run(2))
    assert second is not None
    assert not slots.wait_free(0)
    assert slots.running() == [run(1), run(2)]
    slots.free(run(2))
    assert slots.wait_free(0)
    assert not slots.wait_empty(0)
    slots.free(run(1))
    assert slots.wait_empty(0)


def test_only_so_many_may_wait_to_be_stored() -> None:
    slots, taken = Slots(2), 0
    while slots.wait_free(0):
        control = slots.take(run(taken))
        assert control is not None
        control.report()
        taken += 1
    assert taken == 102
    for number in range(taken):
        slots.free(run(number))
