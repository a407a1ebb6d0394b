"""Ranges behave as the sets they stand for."""

from drover_shared.streams.ranges import Ranges
from hypothesis import given
from hypothesis import strategies as st

numbers = st.lists(st.integers(-20, 60), max_size=40)


@given(numbers, st.integers(-25, 65))
def test_membership(members: list[int], asked: int) -> None:
    assert (asked in Ranges.of(members)) == (asked in set(members))


@given(numbers)
def test_text_round_trip(members: list[int]) -> None:
    text = str(Ranges.of(members))
    assert str(Ranges.parse(text)) == text


def test_text_is_postgresqls() -> None:
    assert str(Ranges.of([3, 1, 2, 2, 7])) == "{[1,4),[7,8)}"
    assert str(Ranges.of([])) == "{}"
