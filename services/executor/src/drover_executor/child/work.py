"""The worker of one run: takes its spec, runs the playbook, writes the result."""

import contextlib
from pathlib import Path

from drover_shared.masking import Masker

from drover_executor.child import tree
from drover_executor.child.agent import KeyRefusedError, start_agent
from drover_executor.child.facts import FACTS, FactFolder
from drover_executor.child.line import Line
from drover_executor.child.playbook import CANCEL, KILL, GuardGoneError, Playbook
from drover_executor.child.recorder import Recorder
from drover_executor.child.spec import SPOOL, ChildResult, ChildSpec
from drover_executor.disk import Disk

_CANNOT_START = 127  # a shell's exit status for a command that is not there


def work(folder: Path, listener: int, guards_life: int) -> int:
    """Returns an exit status: 0 where the result is written. `guards_life` closes when the guard is gone."""
    spec = ChildSpec.take(folder)
    tree.adopt_orphans()
    try:
        start_agent(spec)
    except KeyRefusedError as error:
        ChildResult(1, started=False, stopped="", last_error="", key_refused=str(error)).write(folder)
        return 1
    masker = Masker(spec.secrets)
    recorder = Recorder(folder / SPOOL, Path(spec.events_dir), masker)
    facts = None if spec.facts_dir is None else FactFolder(Path(spec.facts_dir))
    disk = Disk(folder, spec.reserve_bytes)
    playbook = Playbook(spec, recorder, Line(listener), guards_life, disk.has_room)
    try:
        rc = playbook.run()
    except GuardGoneError:
        return 1
    except OSError as error:
        recorder.feed(f"{error}\n".encode())
        rc = _CANNOT_START
    recorder.close(rc, _status(rc, playbook.stopped))
    if facts is not None:
        with contextlib.suppress(OSError):  # no room: the job is worth more than its cache
            facts.collect(folder / FACTS, masker)
    ended = ChildResult(
        rc, recorder.started, playbook.stopped, recorder.last_error, artifacts=recorder.artifacts
    )
    ended.write(folder)
    return 0


def _status(rc: int, stopped: str) -> str:
    if rc == 0:
        return "successful"
    return "canceled" if stopped in (CANCEL, KILL) else "failed"
