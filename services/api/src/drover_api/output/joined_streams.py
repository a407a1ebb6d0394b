"""Live readers of a job with slices: one slice after the other, each from its first attempt to its end.

Ids are numbers in the job (`domain.slices`) behind the attempt of the slice that they are of, so that
`Last-Event-ID` says which slice a reader is in, and where.
"""

from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from drover_shared.domain.slices import MAX_SLICES, joined_seq, split_seq

from drover_api.jobs.watch import JobState
from drover_api.live import sse
from drover_api.output.attempts import every_attempt, named_by, prefix_of, when
from drover_api.output.boards import Boards
from drover_api.output.follow import Place, Stream, grown, log_stream
from drover_api.output.formats import Writer
from drover_api.output.sse import event_stream


@dataclass(frozen=True, slots=True)
class Begin:
    """Where a reader goes on: behind `number` in attempt `attempt` (0: any) of slice `slice_number`."""

    slice_number: int
    attempt: int
    number: int

    @classmethod
    def at(cls, last_id: str, default: int) -> "Begin":
        """By what a reader has seen last, else behind the number `default` of the job."""
        attempt, joined = named_by(last_id) if last_id else (0, default)
        number, seq = split_seq(joined)
        return cls(number, attempt, seq)

    def within(self, slice_number: int, attempt: int) -> int:
        """The number behind which to go on in this attempt of this slice."""
        same = slice_number == self.slice_number and self.attempt in (0, max(attempt, 1))
        return self.number if same else 0


Tell = Callable[[int, int, JobState], Stream]  # of an attempt at slice number, with so many bytes before it


async def joined_event_stream(
    boards: Boards, job_id: int, last_id: str, filters: Mapping[str, Any]
) -> Stream:
    """The events of a job's slices as they are stored, then `event: end` once the job is over."""
    begin, wanted = Begin.at(last_id, filters.get("after_seq", 0)), dict(filters)
    only = None
    if "parent_seq" in filters:
        only, wanted["parent_seq"] = split_seq(filters["parent_seq"])

    def tell(number: int, _offset: int, job: JobState) -> Stream:
        assert job.run_id is not None  # noqa: S101 - it is an attempt
        after, prefix = begin.within(number, job.attempt), prefix_of(job.attempt)
        return event_stream(boards, job.run_id, after, wanted, prefix, joined_seq(number, 0))

    chosen = range(begin.slice_number, MAX_SLICES + 1) if only is None else range(only, only + 1)
    async with aclosing(_in_turn(boards, job_id, chosen, tell)) as told:
        async for piece in told:
            yield piece
    async with aclosing(_end(boards, job_id, lambda job: job.events_complete)) as end:
        async for piece in end:
            yield piece


async def joined_log_stream(boards: Boards, job_id: int, kind: str, last_id: str) -> Stream:
    """The logs of a job's slices as server-sent events; `offset` counts from the first slice's beginning."""
    begin = Begin.at(last_id, 0)

    def tell(number: int, offset: int, job: JobState) -> Stream:
        assert job.run_id is not None  # noqa: S101 - it is an attempt
        start, place = begin.within(number, job.attempt), Place(joined_seq(number, 0), offset)
        return log_stream(boards, job.run_id, kind, start, prefix_of(job.attempt), place)

    chosen = range(begin.slice_number, MAX_SLICES + 1)
    async with aclosing(_in_turn(boards, job_id, chosen, tell, sized=True)) as told:
        async for piece in told:
            yield piece
    async with aclosing(_end(boards, job_id, lambda job: job.log_complete)) as end:
        async for piece in end:
            yield piece


async def joined_followed(boards: Boards, job_id: int, kind: str, start: int) -> Stream:
    """The log of a job with slices from byte `start` on in one of the formats, until no more can come."""

    def tell(_number: int, offset: int, job: JobState) -> Stream:
        assert job.run_id is not None  # noqa: S101 - it is an attempt
        return grown(boards, job.run_id, max(start - offset, 0))

    writer = Writer(kind)
    yield writer.begin()
    async with aclosing(_in_turn(boards, job_id, range(1, MAX_SLICES + 1), tell, sized=True)) as told:
        async for piece in told:
            if piece is not sse.PING:
                yield writer.write(piece)
    yield writer.end()


async def _in_turn(boards: Boards, job_id: int, chosen: range, tell: Tell, *, sized: bool = False) -> Stream:
    """What `tell` says of each attempt at each of the chosen slices, once the job is split; pings meanwhile.

    Only where `sized` does it know how many bytes of log are before a slice.
    """
    children: tuple[int, ...] = ()
    async with aclosing(when(boards, job_id, lambda job: bool(job.slices))) as waiting:
        async for job in waiting:
            children = () if job is None else job.slices
            if job is None:
                yield sse.PING
    offset = 0
    for number, child in enumerate(children, 1):
        if number in chosen:
            async with aclosing(every_attempt(boards, child)) as attempts:
                async for attempt in attempts:
                    if attempt is None:
                        yield sse.PING
                        continue
                    async with aclosing(tell(number, offset, attempt)) as told:
                        async for piece in told:
                            yield piece
        if sized:
            offset += await _log_size(boards, child)


async def _log_size(boards: Boards, job_id: int) -> int:
    """The bytes of the log of a job that has ended."""
    async with boards.jobs.watch(job_id) as job:
        run_id = None if job.state is None else job.state.run_id
    if run_id is None:
        return 0
    async with boards.runs.watch(run_id) as run:
        return 0 if run.state is None else run.state.log_size


async def _end(boards: Boards, job_id: int, complete: Callable[[JobState], bool]) -> Stream:
    """`event: end`, as soon as the job has followed its slices."""
    ended: JobState | None = None
    async with aclosing(when(boards, job_id, lambda job: job.ended)) as waiting:
        async for job in waiting:
            if job is None:
                yield sse.PING
            ended = job
    end = {
        "job_run_id": None,
        "state": None,
        "job_status": None if ended is None else ended.status,
        "complete": ended is not None and complete(ended),
    }
    yield sse.message(end, event="end")
