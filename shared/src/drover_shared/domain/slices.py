"""A job with several slices: how many it gets, how it stands by them, and where their output lies in its own.

Its events are those of its slices one after the other, so each has a number in the job: its slice's place
times `SEQS_A_SLICE`, and its own seq.
"""

from collections.abc import Collection

from drover_shared.domain.states import FINAL_JOB_STATUSES, JobStatus

MAX_SLICES = 1000
# No run has so many events (or bytes of log), and with MAX_SLICES it stays a number that JavaScript keeps.
SEQS_A_SLICE = 2**40


def slices_for(wanted: int, hosts: int | None) -> int:
    """How many slices a job gets: none without a host, where it is known how many hosts there are."""
    return wanted if hosts is None else max(1, min(wanted, hosts))


def joined_seq(number: int, seq: int) -> int:
    """The number in the job of what is `seq` in its slice `number`."""
    return (number - 1) * SEQS_A_SLICE + seq


def split_seq(joined: int) -> tuple[int, int]:
    """(number of the slice, seq in it); what comes before everything is before the first slice's."""
    if joined < 0:
        return 1, joined
    place, seq = divmod(joined, SEQS_A_SLICE)
    return place + 1, seq


def joined_status(statuses: Collection[str], cancel_requested: bool) -> JobStatus | None:
    """How a job ends whose slices ended so; None while one of them has not.

    What a user asked for comes first, then the worst that happened.
    """
    if not statuses or any(status not in FINAL_JOB_STATUSES for status in statuses):
        return None
    if cancel_requested and JobStatus.CANCELED in statuses:
        return JobStatus.CANCELED
    worst = (JobStatus.ERROR, JobStatus.FAILED, JobStatus.CANCELED)
    return next((status for status in worst if status in statuses), JobStatus.SUCCESSFUL)
