"""Stream entries made ready: nothing here needs the database."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import orjson
from drover_shared.ids import token_hash
from drover_shared.messages.streams import Head, read_events_body, read_events_head
from drover_shared.streams.dead_letters import DeadLetter, unreadable
from drover_shared.streams.failures import is_poison
from drover_shared.streams.group import Entry

from drover_event_ingest import metrics
from drover_event_ingest.clean import clean_json
from drover_event_ingest.events import InvalidEventError, PreparedEvent, prepare_event, right_seq
from drover_event_ingest.parts import RunPart, parts_of
from drover_event_ingest.quick import prepare_quickly
from drover_event_ingest.secrets import NoSecrets, Secrets

_NO_SECRETS = NoSecrets()


@dataclass(frozen=True, slots=True)
class Batch:
    """One entry, or a part of one: `bad` are letters of single events; a bad one's seq may be unknown."""

    message_id: str
    run_id: UUID
    job_id: int
    token_hash: bytes = field(repr=False)
    body: bytes = field(repr=False)
    events: Sequence[PreparedEvent] = ()
    bad: Sequence[DeadLetter] = ()

    def letter(self, reason: str) -> DeadLetter:
        """All of the message as a dead letter."""
        return DeadLetter(self.message_id, self.run_id, None, reason, self.body)

    def event_letter(self, event: PreparedEvent, reason: str) -> DeadLetter:
        """One event as a dead letter, as it came."""
        source = next(
            found for found in read_events_body({b"body": self.body}) if found.get("seq") == event.seq
        )
        return DeadLetter(self.message_id, self.run_id, event.seq, reason, as_json(source))


@dataclass(frozen=True, slots=True)
class Load:
    """What one transaction stores: batches, and letters of entries that are no batch at all.

    `parts` are the batches' events by runs, where they were sorted ahead.
    """

    batches: Sequence[Batch] = ()
    letters: Sequence[DeadLetter] = ()
    parts: Sequence[RunPart] | None = None

    @property
    def events(self) -> int:
        return sum(len(batch.events) for batch in self.batches)

    def halves(self) -> Iterator["Load"]:
        """Two loads with half of the events each; letters and bad events go with the first."""
        middle = self.events // 2
        first, second = [], []
        for batch in self.batches:
            here, middle = min(middle, len(batch.events)), max(0, middle - len(batch.events))
            first.append(replace(batch, events=batch.events[:here]))
            if here < len(batch.events):
                second.append(replace(batch, events=batch.events[here:], bad=()))
        yield Load(first, self.letters)
        yield Load(second)


def prepare(entries: Sequence[Entry], secrets: Secrets = _NO_SECRETS) -> Load:
    """Decode entries, mask what is secret, and judge each event alone. Raises where `secrets` cannot tell."""
    batches: list[Batch] = []
    letters: list[DeadLetter] = []
    for entry in entries:
        try:
            batches.append(_prepare_entry(entry, secrets))
        except Exception as error:
            if not is_poison(error):  # whatever it holds, an entry must not cost its neighbours
                raise
            letters.append(unreadable(entry, error))
    return Load(batches, letters, sorted_parts(batches))


def sorted_parts(batches: Sequence[Batch]) -> list[RunPart]:
    """The batches' events by runs."""
    return parts_of((batch.run_id, batch.job_id, batch.events) for batch in batches)


def _prepare_entry(entry: Entry, secrets: Secrets) -> Batch:
    head = read_events_head(entry.fields)
    body = entry.fields.get(b"body", b"")
    masker = secrets.masker_of(head.job_run_id)
    if masker is not None and masker.suspects(body):
        metrics.MASKED.inc()
        body = as_json([masker.mask_event(event) for event in read_events_body({b"body": body})])
    batch = Batch(str(head.id), head.job_run_id, head.job_id, token_hash(head.token), body)
    events = prepare_quickly(body, str(head.job_run_id), head.job_id)
    if events is not None:
        return replace(batch, events=events)
    return _judge_each(batch, head, read_events_body({b"body": body}))


def _judge_each(batch: Batch, head: Head, found: Sequence[dict[str, Any]]) -> Batch:
    """The batch with what is right in it, and letters of what is not."""
    events: list[PreparedEvent] = []
    bad: list[DeadLetter] = []
    for event in found:
        try:
            events.append(prepare_event(event, str(head.job_run_id), head.job_id))
        except Exception as error:  # noqa: BLE001 - an error of our own must not cost its neighbours either
            reason = (
                str(error) if isinstance(error, InvalidEventError) else f"unreadable: {type(error).__name__}"
            )
            seq = right_seq(event.get("seq"))
            bad.append(DeadLetter(batch.message_id, head.job_run_id, seq, reason, as_json(event)))
    return replace(batch, events=events, bad=bad)


def as_json(event: object) -> bytes:
    """An event as JSON, cleaned only where it could not be written otherwise."""
    try:
        return orjson.dumps(event)
    except TypeError:
        return orjson.dumps(clean_json(event))
