"""What must survive this process so that a run's output still becomes complete: written before `finish`."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from drover_executor.client.run_api import Claim, Outcome

ENDING = "ending.json"


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended and how its log was cut. It holds the run's tokens: mode 0600, gone at the end."""

    claim: Claim
    job_id: int
    outcome: Outcome
    chunk_ends: list[int] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Raises OSError."""
        temporary = folder / f"{ENDING}.tmp"
        temporary.unlink(missing_ok=True)
        text = json.dumps(asdict(self), default=str)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        temporary.replace(folder / ENDING)

    @classmethod
    def read(cls, folder: Path) -> "Ending | None":
        """None where the attempt had not come to its end."""
        try:
            read: dict[str, Any] = json.loads((folder / ENDING).read_bytes())
            claim = Claim(**{**read["claim"], "run_id": UUID(read["claim"]["run_id"])})
            return cls(claim, int(read["job_id"]), Outcome(**read["outcome"]), read["chunk_ends"])
        except (OSError, ValueError, TypeError, KeyError):
            return None

    @staticmethod
    def forget(folder: Path) -> None:
        (folder / ENDING).unlink(missing_ok=True)


def is_kept(folder: Path) -> bool:
    """Whether this folder's output still has to reach the stores."""
    return (folder / ENDING).exists()
