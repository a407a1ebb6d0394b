"""Stream entries made ready: nothing here needs a dependency."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from drover_shared.domain.keys import chunk_key
from drover_shared.ids import token_hash
from drover_shared.messages.streams import decode_chunk
from drover_shared.streams.dead_letters import DeadLetter, unreadable
from drover_shared.streams.group import Entry


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a run's log, placed by `seq` (from 0) and `offset` (the bytes before it)."""

    message_id: str
    run_id: UUID
    job_id: int
    token_hash: bytes = field(repr=False)
    seq: int
    offset: int
    body: bytes = field(repr=False)
    sha256: str

    @property
    def key(self) -> str:
        """Its object's name."""
        return chunk_key(self.run_id, self.seq)

    def letter(self, reason: str) -> DeadLetter:
        return DeadLetter(self.message_id, self.run_id, self.seq, reason, self.body)


@dataclass(frozen=True, slots=True)
class Load:
    """What one transaction stores: chunks, and letters of entries that are no chunk at all."""

    chunks: Sequence[Chunk] = ()
    letters: Sequence[DeadLetter] = ()


def prepare(entries: Sequence[Entry]) -> Load:
    """Decode entries. A damaged one is no chunk: its seq stays missing, so that it is sent again."""
    chunks: list[Chunk] = []
    letters: list[DeadLetter] = []
    for entry in entries:
        try:
            chunks.append(_chunk(entry))
        except Exception as error:  # noqa: BLE001 - whatever it holds, an entry must not cost its neighbours
            letters.append(unreadable(entry, error))
    return Load(chunks, letters)


def _chunk(entry: Entry) -> Chunk:
    message = decode_chunk(entry.fields)
    return Chunk(
        message_id=str(message.id),
        run_id=message.job_run_id,
        job_id=message.job_id,
        token_hash=token_hash(message.token),
        seq=message.seq,
        offset=message.offset,
        body=message.body,
        sha256=sha256(message.body).hexdigest(),
    )
