"""The transaction that stores a load: events, dead letters, host summaries and the watermark together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from drover_shared.messages.streams import EVENTS_STREAM
from drover_shared.streams.dead_letters import DeadLetter, bury
from drover_shared.streams.ranges import Ranges
from drover_shared.streams.tokens import split_by_token
from sqlalchemy import Connection

from drover_event_ingest.batches import Batch, Load, sorted_parts
from drover_event_ingest.copying import copy_rows, stage_rows
from drover_event_ingest.counting import JobTotals
from drover_event_ingest.parts import RunPart
from drover_event_ingest.progress import Advance, advance_progress, lock_progress
from drover_event_ingest.summaries import store_summaries


@dataclass(frozen=True, slots=True)
class Stored:
    """What a transaction did: rows of each run, events that were there before, letters it buried."""

    rows: Mapping[UUID, int]
    repeats: int
    letters: Sequence[DeadLetter]


def write_load(connection: Connection, load: Load, *, staged: bool) -> Stored:
    """Store a load; `staged` where rows may be there that the watermark does not know of."""
    batches, letters = split_by_token(connection, load.batches)
    parts = sorted_parts(batches) if letters or load.parts is None else load.parts
    received = lock_progress(connection, {batch.run_id: batch.job_id for batch in batches})
    bad = list(_new_letters(batches, received))
    letters = [*load.letters, *letters, *bad]
    bury(connection, EVENTS_STREAM, letters)
    new = [part.without(received[part.run_id]) for part in parts]
    added = _add_rows(connection, new, staged=staged)
    _count(connection, new, added, bad)
    rows = {part.run_id: len(part.events) for part in added if part.events}
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


def _add_rows(connection: Connection, new: Sequence[RunPart], *, staged: bool) -> Sequence[RunPart]:
    """Copy the events; those of them that were not in the table before."""
    rows = [part.rows for part in new if part.rows]
    if not rows:
        return ()
    if not staged:
        copy_rows(connection, rows)
        return new
    stored = stage_rows(connection, rows)
    return [part.only(seq for seq in part.events if (part.run_id, seq) in stored) for part in new]


def _count(
    connection: Connection, new: Sequence[RunPart], added: Sequence[RunPart], bad: Iterable[DeadLetter]
) -> None:
    """Host summaries and progress. A seq that cannot be stored counts as dealt with: it blocks nothing."""
    changes = {(part.run_id, host): change for part in added for host, change in part.changes.items()}
    totals = store_summaries(connection, changes, {part.run_id: part.job_id for part in added})
    stored = {part.run_id: part for part in added}
    dealt_with: dict[UUID, list[int]] = {}
    for letter in bad:
        if letter.seq is not None and letter.job_run_id is not None:
            dealt_with.setdefault(letter.job_run_id, []).append(letter.seq)
    advances = []
    for part in new:
        seqs = part.seqs.with_numbers(dealt_with.get(part.run_id, ()))
        if seqs.end:
            row = stored.get(part.run_id)
            count, last = (len(row.events), row.last_event_at) if row else (0, None)
            advances.append(Advance(part.run_id, seqs, count, last, totals.get(part.run_id, JobTotals())))
    advance_progress(connection, advances)
