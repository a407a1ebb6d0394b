"""The transaction that stores a load: events, dead letters, host summaries and the watermark together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from drover_shared.messages.streams import EVENTS_STREAM
from drover_shared.streams.dead_letters import DeadLetter, bury
from drover_shared.streams.ranges import Ranges
from drover_shared.streams.tokens import split_by_token
from sqlalchemy import Connection

from drover_event_ingest.batches import Batch, Load
from drover_event_ingest.copying import copy_rows, stage_rows
from drover_event_ingest.counting import JobTotals, changes_of
from drover_event_ingest.events import PreparedEvent
from drover_event_ingest.progress import Advance, advance_progress, lock_progress
from drover_event_ingest.summaries import store_summaries

EventsByRun = dict[UUID, dict[int, PreparedEvent]]


@dataclass(frozen=True, slots=True)
class Stored:
    """What a transaction did: rows of each run, events that were there before, letters it buried."""

    rows: Mapping[UUID, int]
    repeats: int
    letters: Sequence[DeadLetter]


def write_load(connection: Connection, load: Load, *, staged: bool) -> Stored:
    """Store a load; `staged` where rows may be there that the watermark does not know of."""
    batches, letters = split_by_token(connection, load.batches)
    jobs = {batch.run_id: batch.job_id for batch in batches}
    received = lock_progress(connection, jobs)
    bad = list(_new_letters(batches, received))
    letters = [*load.letters, *letters, *bad]
    bury(connection, EVENTS_STREAM, letters)
    new = _new_events(batches, received)
    added = _add_rows(connection, new, staged=staged)
    _count(connection, new, added, bad, jobs)
    rows = {run: len(events) for run, events in added.items() if events}
    repeats = sum(len(batch.events) for batch in batches) - sum(rows.values())
    return Stored(rows, repeats, letters)


def _new_letters(batches: Iterable[Batch], received: Mapping[UUID, Ranges]) -> Iterator[DeadLetter]:
    """Letters of events that were not dealt with before; of several with one seq the first."""
    seen: set[tuple[UUID, int]] = set()
    for batch in batches:
        for letter in batch.bad:
            if letter.seq is not None:
                if letter.seq in received[batch.run_id] or (batch.run_id, letter.seq) in seen:
                    continue
                seen.add((batch.run_id, letter.seq))
            yield letter


def _new_events(batches: Iterable[Batch], received: Mapping[UUID, Ranges]) -> EventsByRun:
    """Events whose seq was not dealt with before, each once."""
    new: EventsByRun = {}
    for batch in batches:
        known, events = received[batch.run_id], {event.seq: event for event in batch.events}
        if events and min(events) < known.end:
            events = {seq: event for seq, event in events.items() if seq not in known}
        new.setdefault(batch.run_id, {}).update(events)
    return new


def _add_rows(connection: Connection, new: EventsByRun, *, staged: bool) -> EventsByRun:
    """Copy the events; those of them that were not in the table before."""
    rows = [event.row for events in new.values() for event in events.values()]
    if not rows:
        return {}
    if not staged:
        copy_rows(connection, rows)
        return new
    stored = stage_rows(connection, rows)
    return {
        run: {seq: event for seq, event in events.items() if (run, seq) in stored}
        for run, events in new.items()
    }


def _count(
    connection: Connection,
    new: EventsByRun,
    added: EventsByRun,
    bad: Iterable[DeadLetter],
    jobs: Mapping[UUID, int],
) -> None:
    """Host summaries and progress. A seq that cannot be stored counts as dealt with: it blocks nothing."""
    changes = {
        (run, host): change
        for run, events in added.items()
        for host, change in changes_of(events.values()).items()
    }
    totals = store_summaries(connection, changes, jobs)
    seqs: dict[UUID, set[int]] = {run: set(events) for run, events in new.items()}
    for letter in bad:
        if letter.seq is not None and letter.job_run_id is not None:
            seqs.setdefault(letter.job_run_id, set()).add(letter.seq)
    advances = []
    for run in sorted(run for run, found in seqs.items() if found):
        events = added.get(run, {}).values()
        last = max((event.at for event in events), default=None)
        advances.append(Advance(run, Ranges.of(seqs[run]), len(events), last, totals.get(run, JobTotals())))
    advance_progress(connection, advances)
