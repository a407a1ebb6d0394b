"""The dead-letter table: what could not be stored, as it came, with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from drover_shared.messages.commands import MessageError
from drover_shared.streams.group import Entry

_INSERT = text("""
    INSERT INTO dead_letters (stream, message_id, job_run_id, seq, reason, body)
    SELECT :stream, :message_id, :job_run_id, :seq, :reason, :body
    WHERE NOT EXISTS (
        SELECT FROM dead_letters
        WHERE job_run_id IS NOT DISTINCT FROM CAST(:job_run_id AS uuid) AND stream = :stream
          AND message_id = :message_id AND seq IS NOT DISTINCT FROM CAST(:seq AS bigint) AND reason = :reason
    )
""")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`seq` is None where all of the message is meant; `body` holds no token."""

    message_id: str
    job_run_id: UUID | None
    seq: int | None
    reason: str
    body: bytes


def unreadable(entry: Entry, error: Exception) -> DeadLetter:
    """The letter of an entry whose envelope could not be read."""
    reason = str(error) if isinstance(error, MessageError) else f"unreadable: {type(error).__name__}"
    return DeadLetter(entry.id.decode(), None, None, reason, entry.fields.get(b"body", b""))


def bury(connection: Connection, stream: str, letters: Sequence[DeadLetter]) -> None:
    """Store letters; one that came before with the same message, seq and reason is not stored again."""
    for letter in letters:
        connection.execute(
            _INSERT,
            {
                "stream": stream,
                "message_id": letter.message_id,
                "job_run_id": letter.job_run_id,
                "seq": letter.seq,
                "reason": letter.reason,
                "body": letter.body,
            },
        )
