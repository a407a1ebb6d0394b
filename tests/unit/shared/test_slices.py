"""How many slices a job gets, how it ends by them, and numbers in it."""

import pytest
from drover_shared.domain.slices import (
    MAX_SLICES,
    SEQS_A_SLICE,
    joined_seq,
    joined_status,
    slices_for,
    split_seq,
)
from drover_shared.domain.states import JobStatus
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("wanted", "hosts", "slices"), [(3, 10, 3), (3, 2, 2), (3, 0, 1), (3, None, 3), (1, None, 1), (1, 9, 1)]
)
def test_no_more_slices_than_hosts(wanted: int, hosts: int | None, slices: int) -> None:
    assert slices_for(wanted, hosts) == slices


@pytest.mark.parametrize(
    ("statuses", "canceled", "status"),
    [
        ("successful", False, "successful"),
        ("successful failed", False, "failed"),
        ("failed error successful canceled", False, "error"),
        ("failed canceled", False, "failed"),
        ("canceled successful", False, "canceled"),
        ("canceled error", True, "canceled"),
        ("successful", True, "successful"),  # the cancel came too late
        ("failed", True, "failed"),
        ("successful running", False, None),
        ("canceled queued", True, None),
        ("pending", False, None),
        ("", False, None),
    ],
)
def test_a_job_ends_as_its_slices_did(statuses: str, canceled: bool, status: str | None) -> None:
    assert joined_status(set(statuses.split()), canceled) == (JobStatus(status) if status else None)


@given(st.integers(1, MAX_SLICES), st.integers(0, SEQS_A_SLICE - 1))
def test_a_number_says_which_slice_and_what_in_it(number: int, seq: int) -> None:
    joined = joined_seq(number, seq)
    assert split_seq(joined) == (number, seq)
    assert joined < 2**53  # JavaScript keeps it
    assert joined_seq(number, seq + 1) > joined


def test_before_everything_is_before_the_first_slice() -> None:
    assert split_seq(-1) == (1, -1)
