"""Whether the holder of a stream token may write a run's output."""

from collections.abc import Iterable
from hmac import compare_digest
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy import Connection, text

from drover_shared.streams.dead_letters import DeadLetter

_READ = text("SELECT id, job_id, stream_token_hash FROM job_runs WHERE id = ANY(CAST(:runs AS uuid[]))")


class Output(Protocol):
    """A message that carries a run's output."""

    @property
    def run_id(self) -> UUID: ...

    @property
    def job_id(self) -> int: ...

    @property
    def token_hash(self) -> bytes: ...

    def letter(self, reason: str) -> DeadLetter:
        """All of the message as a dead letter."""
        ...


_Output = TypeVar("_Output", bound=Output)


def split_by_token(
    connection: Connection, messages: Iterable[_Output]
) -> tuple[list[_Output], list[DeadLetter]]:
    """The messages whose token is their run's own, and letters of all others.

    A run that ended or was superseded keeps its token: its late output is kept under its own attempt.
    """
    messages = list(messages)
    runs = sorted({str(message.run_id) for message in messages})
    known = {run: (job, token) for run, job, token in connection.execute(_READ, {"runs": runs})}
    good: list[_Output] = []
    letters: list[DeadLetter] = []
    for message in messages:
        job_id, token = known.get(message.run_id, (None, None))
        if token is None or not compare_digest(bytes(token), message.token_hash):
            letters.append(message.letter("wrong token"))
        elif job_id != message.job_id:
            letters.append(message.letter("wrong job"))
        else:
            good.append(message)
    return good, letters
