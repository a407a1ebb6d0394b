"""What must survive the executor so that its next start can go on with a run: one private file a run."""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from drover_executor.client.run_api import Claim, Outcome

RECORD = "run.json"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process for ever: its number, when it began (clock ticks since the boot), and which boot."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> "ProcessId":
        """Raises OSError where it is gone."""
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return cls(pid, int(fields[19]), _BOOT.read_text().strip())


@dataclass(frozen=True, slots=True)
class Record:
    """A claimed attempt. It holds the run's tokens: mode 0600, and gone when the run is.

    `guard` is None until the playbook's processes exist, `outcome` until they have ended. `stop_at`: when the
    job's time is over, by `lease_clock`; None for no limit. `sockets` is the folder of its short paths.
    """

    claim: Claim
    sockets: Path
    job_id: int | None = None
    timeout_seconds: float = 0.0
    in_container: bool = False
    stop_at: float | None = None
    guard: ProcessId | None = None
    outcome: Outcome | None = None

    def write(self, folder: Path) -> None:
        """Raises OSError."""
        temporary = folder / f"{RECORD}.tmp"
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(json.dumps(asdict(self), default=str))
        temporary.replace(folder / RECORD)

    def changed(self, folder: Path, **values: Any) -> "Record":
        """The record with other values, written."""
        record = replace(self, **values)
        record.write(folder)
        return record

    @classmethod
    def read(cls, folder: Path) -> "Record | None":
        """None where there is none that can be used."""
        try:
            read: dict[str, Any] = json.loads((folder / RECORD).read_bytes())
            read["claim"] = Claim(**{**read["claim"], "run_id": UUID(read["claim"]["run_id"])})
            read["sockets"] = Path(read["sockets"])
            read["guard"] = ProcessId(**read["guard"]) if read["guard"] else None
            read["outcome"] = Outcome(**read["outcome"]) if read["outcome"] else None
            return cls(**read)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    @staticmethod
    def forget(folder: Path) -> None:
        (folder / RECORD).unlink(missing_ok=True)


def is_kept(folder: Path) -> bool:
    """Whether the next start has something to do for this run."""
    return (folder / RECORD).exists()
