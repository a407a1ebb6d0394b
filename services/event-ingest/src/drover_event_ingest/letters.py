"""Dead letters: looked at, and tried again once what refused them is mended."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from drover_shared.messages.streams import EVENTS_STREAM
from drover_shared.streams.failures import describe, is_poison
from sqlalchemy import Connection, Engine, text

from drover_event_ingest.batches import Batch, Load
from drover_event_ingest.events import InvalidEventError, prepare_event
from drover_event_ingest.writing import write_load

_LIST = text("""
    SELECT id, created_at, stream, message_id, job_run_id, seq, reason, length(body) AS size
    FROM dead_letters WHERE id > :after AND (CAST(:run AS uuid) IS NULL OR job_run_id = :run)
    ORDER BY id LIMIT :limit
""")
_SHOW = text("""
    SELECT id, created_at, stream, message_id, job_run_id, seq, reason, length(body) AS size, body
    FROM dead_letters WHERE id = :id
""")
_TAKE = text("SELECT stream, message_id, job_run_id, seq, body FROM dead_letters WHERE id = :id FOR UPDATE")
_RUN = text("SELECT job_id, stream_token_hash FROM job_runs WHERE id = :run")
_LOCK = text("SELECT FROM run_event_progress WHERE job_run_id = :run FOR UPDATE")
_FORGET = text("""
    UPDATE run_event_progress SET received = received - int8multirange(int8range(:seq, :seq + 1))
    WHERE job_run_id = :run
""")
_REMOVE = text("DELETE FROM dead_letters WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Letter:
    """A row of the table; `size` in bytes, `body` empty in lists."""

    id: int
    created_at: datetime
    stream: str
    message_id: str
    job_run_id: UUID | None
    seq: int | None
    reason: str
    size: int
    body: bytes = b""


class NotReplayedError(Exception):
    """The letter stays where it is; the text says why."""


def list_letters(connection: Connection, run: UUID | None, after: int, limit: int) -> list[Letter]:
    """Letters with an id above `after`, oldest first."""
    rows = connection.execute(_LIST, {"run": run, "after": after, "limit": limit})
    return [Letter(**row) for row in rows.mappings()]


def show_letter(connection: Connection, letter_id: int) -> Letter | None:
    """The letter with its body; None where there is none of that id."""
    row = connection.execute(_SHOW, {"id": letter_id}).mappings().one_or_none()
    return None if row is None else Letter(**{**row, "body": bytes(row["body"])})


def replay_letter(engine: Engine, letter_id: int) -> None:
    """Store the event of a letter and remove the letter, in one transaction. Raises NotReplayedError.

    Counts and summaries grow as if it had come now; an event that is in the table is not stored again. Only
    letters of single events can be replayed: the seqs of others never counted as stored, so that their
    executor sent them again by itself, and a wrong token must not become a right one here.
    """
    try:
        with engine.begin() as connection:
            _replay(connection, letter_id)
    except InvalidEventError as error:
        raise NotReplayedError(f"still refused: {error}") from error
    except NotReplayedError:
        raise
    except Exception as error:
        if not is_poison(error):
            raise
        about = describe(error)
        reason = f"still refused: {about['error']} {about.get('sqlstate', '')}".strip()
        raise NotReplayedError(reason) from error


def _replay(connection: Connection, letter_id: int) -> None:
    row = connection.execute(_TAKE, {"id": letter_id}).one_or_none()
    if row is None:
        raise NotReplayedError("there is no such letter")
    if row.stream != EVENTS_STREAM or row.job_run_id is None or row.seq is None:
        raise NotReplayedError("it is no single event of a run: what was right of it was sent again")
    run = connection.execute(_RUN, {"run": row.job_run_id}).one_or_none()
    if run is None or run.stream_token_hash is None:
        raise NotReplayedError("its run is gone")
    event = prepare_event(_event(bytes(row.body)), str(row.job_run_id), run.job_id)
    batch = Batch(row.message_id, row.job_run_id, run.job_id, bytes(run.stream_token_hash), b"", [event])
    connection.execute(_LOCK, {"run": row.job_run_id})
    connection.execute(_FORGET, {"run": row.job_run_id, "seq": row.seq})
    if write_load(connection, Load([batch]), staged=True).letters:
        raise NotReplayedError("its run is gone")
    connection.execute(_REMOVE, {"id": letter_id})


def _event(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise NotReplayedError("its body is no event")
    return event


def every_letter(engine: Engine, run: UUID | None, page: int = 500) -> Sequence[int]:
    """Ids of all letters there are now, of one run or of all."""
    ids: list[int] = []
    with engine.connect() as connection:
        while found := list_letters(connection, run, ids[-1] if ids else 0, page):
            ids += [letter.id for letter in found]
    return ids
