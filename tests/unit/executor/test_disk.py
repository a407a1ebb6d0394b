"""An executor whose disk is nearly full takes no run, says so, and goes on once there is room."""

import os
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest
from drover_executor.client.registration import Registration
from drover_executor.disk import Disk
from drover_executor.executor import Executor, Slots
from drover_executor.metrics import ROOM
from drover_executor.running.runner import RunnerFactory
from drover_shared.clock import SystemClock
from drover_shared.settings import SettingsError
from drover_shared.streams.progress import Progress
from support.waiting import eventually

MIB = 2**20


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the disk has free now, in MiB of its 100."""
    found = [10]
    monkeypatch.setattr(
        os, "statvfs", lambda _: types.SimpleNamespace(f_frsize=MIB, f_blocks=100, f_bavail=found[0])
    )
    return found


def test_a_reserve_that_no_disk_could_leave_free_is_refused(free: list[int], tmp_path: Path) -> None:
    assert free
    Disk(tmp_path, 99 * MIB).check()
    with pytest.raises(
        SettingsError, match=r"^DROVER_EXECUTOR_RESERVE_MIB: 100 MiB of .* than all of its 100$"
    ):
        Disk(tmp_path, 100 * MIB).check()


class Asked:
    """An API that counts how often it is asked for a run, and has none."""

    def __init__(self) -> None:
        self.polls = 0

    def next_run(self, seconds: float, pools: tuple[str, ...]) -> UUID | None:
        assert (seconds, pools) == (20, ("default",))
        self.polls += 1
        return None

    def heartbeat(self, running: list[UUID]) -> bool:
        assert running == []
        return False

    def identity(self) -> types.SimpleNamespace:
        return types.SimpleNamespace(heartbeat_seconds=60)


@pytest.fixture
def started() -> Iterator[Callable[[Disk], Asked]]:
    """Starts an executor that speaks HTTP alone, on a disk."""
    stop, threads = threading.Event(), []

    def start(disk: Disk) -> Asked:
        asked = Asked()
        looks = Progress(SystemClock())
        executor = Executor(
            cast("RunnerFactory", None), cast("Registration", asked), Slots(1), disk, None, stop, looks, looks
        )
        threads.append(threading.Thread(target=executor.run, args=(("default",), 0)))
        threads[-1].start()
        return asked

    yield start
    stop.set()
    for thread in threads:
        thread.join()


def test_it_asks_for_a_run_only_where_its_output_has_room(
    free: list[int], started: Callable[[Disk], Asked], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = started(Disk(tmp_path, 11 * MIB))
    eventually("it says what is wrong", lambda: "disk_nearly_full" in capsys.readouterr().out)
    assert (asked.polls, ROOM._value.get()) == (0, -MIB)
    free[0] = 11
    eventually("it asks for a run", lambda: asked.polls)
    eventually("it says so", lambda: "disk_has_room_again" in capsys.readouterr().out)
