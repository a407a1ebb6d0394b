"""A load sorted by runs, with all that storing it needs: made beside the database's work, not within it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from drover_shared.streams.ranges import Ranges

from drover_event_ingest.counting import HostChange, changes_of
from drover_event_ingest.events import PreparedEvent


@dataclass(frozen=True, slots=True)
class RunPart:
    """The events of one run in a load, each seq once; `rows` are their lines of COPY."""

    run_id: UUID
    job_id: int
    events: Mapping[int, PreparedEvent]
    seqs: Ranges
    rows: bytes = field(repr=False)
    changes: Mapping[str, HostChange] = field(repr=False)
    last_event_at: datetime | None

    @classmethod
    def of(cls, run_id: UUID, job_id: int, events: Mapping[int, PreparedEvent]) -> "RunPart":
        return cls(
            run_id=run_id,
            job_id=job_id,
            events=events,
            seqs=Ranges.of(events),
            rows=b"".join([event.row for event in events.values()]),
            changes=changes_of(events.values()),
            last_event_at=max([event.at for event in events.values()], default=None),
        )

    def without(self, known: Ranges) -> "RunPart":
        """The part of it whose seqs are not in `known`."""
        if not self.events or self.seqs.start >= known.end:
            return self
        return self.only(seq for seq in self.events if seq not in known)

    def only(self, seqs: Iterable[int]) -> "RunPart":
        """The part of it with these of its seqs."""
        kept = {seq: self.events[seq] for seq in seqs}
        return self if len(kept) == len(self.events) else RunPart.of(self.run_id, self.job_id, kept)


def parts_of(sources: Iterable[tuple[UUID, int, Iterable[PreparedEvent]]]) -> list[RunPart]:
    """Events as (run id, job id, events) sorted by run; of several with one seq the last."""
    jobs: dict[UUID, int] = {}
    events: dict[UUID, dict[int, PreparedEvent]] = {}
    for run_id, job_id, found in sources:
        jobs.setdefault(run_id, job_id)
        events.setdefault(run_id, {}).update([(event.seq, event) for event in found])
    return [RunPart.of(run_id, jobs[run_id], events[run_id]) for run_id in sorted(jobs)]
