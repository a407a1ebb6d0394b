"""The child process with commands that are not Ansible: bytes, exit statuses, processes left behind."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from drover_executor.child.guard import EXPIRED
from drover_executor.child.spec import PRIVATE, SPOOL, ChildResult, ChildSpec
from drover_executor.child.tree import descendants, with_environment
from drover_executor.lease_clock import Deadline, lease_clock
from support.waiting import eventually


class Child:
    """The processes of a run in `folder`, called as an executor calls them."""

    def __init__(
        self, folder: Path, seconds: float = 60.0, program: tuple[str, ...] = ("-m", "drover_executor.child")
    ) -> None:
        (folder / PRIVATE).mkdir()
        self.folder, self.mark = folder, f"DROVER_TEST_CHILD={folder}".encode()
        self.deadline = Deadline(folder, create=True)
        self.deadline.move(lease_clock() + seconds)
        with socket.socket(socket.AF_UNIX) as listener:
            path = tempfile.mktemp(prefix="drover-", suffix=".sock")  # noqa: S306 - tmp_path is too long
            listener.bind(path)
            listener.listen()
            command = ["-I", *program, str(folder), str(listener.fileno())]
            self.guard = subprocess.Popen(
                [sys.executable, *command],
                env={**os.environ, "DROVER_TEST_CHILD": str(folder)},
                stdin=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
            )
        self.path = path
        self.line = self.call()

    def call(self) -> socket.socket:
        line = socket.socket(socket.AF_UNIX)
        line.connect(self.path)
        return line

    def worker(self) -> int:
        return eventually("the worker is there", lambda: children(self.guard.pid) or None)[0]

    def wait(self) -> int:
        status = self.guard.wait(30)
        self.line.close()
        Path(self.path).unlink()
        eventually("no process is left", lambda: with_environment(self.mark) == [], 5)
        return status


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def start_child(
    folder: Path, script: str, seconds: float = 60.0, secrets: tuple[str, ...] = (), **more: Any
) -> Child:
    (folder / SPOOL).mkdir()
    env = {"PATH": os.environ["PATH"], "DROVER_TEST_CHILD": str(folder)}
    spec = ChildSpec(["sh", "-c", script], str(folder), env, list(secrets), str(folder), 0.5, **more)
    spec.write(folder)
    assert (folder / "child.json").stat().st_mode & 0o777 == 0o600
    return Child(folder, seconds)


def run_child(
    folder: Path, script: str, tell: bytes = b"", secrets: tuple[str, ...] = (), **more: Any
) -> ChildResult:
    child = start_child(folder, script, secrets=secrets, **more)
    if tell:
        assert child.line.recv(1) == b"."  # it printed something
        child.line.send(tell)
    assert child.wait() == 0
    assert not (folder / "child.json").exists()
    result = ChildResult.read(folder)
    assert result is not None
    return result


def test_any_bytes_survive(tmp_path: Path) -> None:
    result = run_child(
        tmp_path, r"printf '\377\376 caf\303\251 \000\r\n\033[K'; printf 'no newline' >&2; exit 3"
    )
    assert (tmp_path / SPOOL / "log").read_bytes() == b"\xff\xfe caf\xc3\xa9 \x00\r\n\x1b[Kno newline"
    assert (result.rc, result.started, result.stopped) == (3, False, "")


def test_secrets_never_reach_the_disk(tmp_path: Path) -> None:
    run_child(tmp_path, "printf hun; sleep 0.2; printf 'ter22 and more\n'", secrets=("hunter22",))
    assert (tmp_path / SPOOL / "log").read_bytes() == b"$encrypted$ and more\n"


@pytest.mark.parametrize("letter", [b"c", b"t", b"k"])
def test_told_to_stop(tmp_path: Path, letter: bytes) -> None:
    stubborn = "trap '' INT TERM; (setsid sleep 302 &); echo on; sleep 303; sleep 304"
    result = run_child(tmp_path, stubborn, letter)
    assert (result.rc, result.stopped) == (-9, letter.decode())


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """A daemon that keeps the output open does not keep the run open."""
    result = run_child(tmp_path, "(setsid sh -c 'sleep 305; echo late' &); echo done")
    assert result.rc == 0
    assert (tmp_path / SPOOL / "log").read_bytes() == b"done\n"


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / SPOOL).mkdir()
    ChildSpec(["/no/such/command"], str(tmp_path), {}, [], str(tmp_path), 1).write(tmp_path)
    assert Child(tmp_path).wait() == 0
    result = ChildResult.read(tmp_path)
    assert result is not None
    assert result.rc == 127


STUBBORN = "trap '' INT TERM HUP; (setsid sleep 307 &); echo on; sleep 308; sleep 309"


def test_a_deadline_that_nobody_moves_ends_all(tmp_path: Path) -> None:
    child = start_child(tmp_path, STUBBORN, seconds=1.5)
    (child.folder / PRIVATE / "secret").touch()
    assert child.line.recv(1) == b"."
    child.wait()
    assert child.deadline.left <= 0
    assert (tmp_path / EXPIRED).exists()
    assert not (tmp_path / PRIVATE).exists()
    assert ChildResult.read(tmp_path) is None


def test_a_deadline_that_is_moved_is_obeyed(tmp_path: Path) -> None:
    child = start_child(tmp_path, "echo on; sleep 2; echo off", seconds=1.5)
    assert child.line.recv(1) == b"."
    child.deadline.move(lease_clock() + 60)
    assert child.wait() == 0
    assert (tmp_path / SPOOL / "log").read_bytes() == b"on\noff\n"


def test_a_worker_that_is_frozen_holds_up_nothing(tmp_path: Path) -> None:
    child = start_child(tmp_path, STUBBORN, seconds=2.0)
    assert child.line.recv(1) == b"."
    os.kill(child.worker(), signal.SIGSTOP)
    child.wait()
    assert (tmp_path / EXPIRED).exists()


@pytest.mark.parametrize("who", ["guard", "worker"])
def test_each_ends_all_when_the_other_is_killed(tmp_path: Path, who: str) -> None:
    child = start_child(tmp_path, STUBBORN)
    assert child.line.recv(1) == b"."
    os.kill(child.guard.pid if who == "guard" else child.worker(), signal.SIGKILL)
    child.wait()
    assert ChildResult.read(tmp_path) is None


def test_an_executor_may_go_and_come_back(tmp_path: Path) -> None:
    child = start_child(tmp_path, "trap '' INT; echo on; sleep 310")
    assert child.line.recv(1) == b"."
    child.line.close()
    child.line = child.call()
    child.line.send(b"k")
    assert child.wait() == 0
    result = ChildResult.read(tmp_path)
    assert result is not None
    assert (result.rc, result.stopped) == (-9, "k")


def test_output_by_a_named_pipe(tmp_path: Path) -> None:
    """As a container's comes: the command's own output is not where its bytes are."""
    pipe = tmp_path / "output"
    os.mkfifo(pipe)
    script = f"printf 'first\\n' > {pipe}; (printf 'seco' > {pipe}; printf 'nd' > {pipe}); exit 4"
    result = run_child(tmp_path, script, output=str(pipe))
    assert (tmp_path / SPOOL / "log").read_bytes() == b"first\nsecond"
    assert result.rc == 4


def test_what_ends_the_command_elsewhere_is_run(tmp_path: Path) -> None:
    ended = ["sh", "-c", f"touch {tmp_path}/ended"]
    result = run_child(tmp_path, "echo; trap '' INT; sleep 60", tell=b"k", end_command=ended)
    assert result.stopped == "k"
    assert (tmp_path / "ended").exists()


def test_a_hundred_megabytes_on_one_line(tmp_path: Path) -> None:
    """Whole on the disk, and the process that records it stays small."""
    script = (
        "head -c 100000000 /dev/zero | tr '\\0' x; echo; grep VmHWM /proc/$PPID/status"  # the recorder's peak
    )
    result = run_child(tmp_path, script, secrets=("hunter22",))
    assert result.rc == 0
    with (tmp_path / SPOOL / "log").open("rb") as log:
        line, peak = log.readline(), log.readline()
    assert line == b"x" * 100_000_000 + b"\n"
    assert int(peak.split()[1]) < 100_000  # kB


def test_endless_output_is_ended(tmp_path: Path) -> None:
    result = run_child(tmp_path, "yes", max_output_bytes=2_000_000)
    assert result.stopped == "f"
    assert 2_000_000 < (tmp_path / SPOOL / "log").stat().st_size < 3_000_000


def test_descendants_are_found() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 306 & wait"], start_new_session=True) as shell:
        try:
            while not (found := descendants(shell.pid)):
                pass
            assert found
        finally:
            os.killpg(shell.pid, 9)


# Its disk is as full as the size of a file says.
FULL_DISK = """
import os, sys, types
from pathlib import Path
from drover_executor.child.__main__ import main
folder = Path(sys.argv[1])
os.statvfs = lambda _: types.SimpleNamespace(f_frsize=1, f_bavail=(folder / "free").stat().st_size)
sys.exit(main(folder, int(sys.argv[2])))
"""


def start_on_a_full_disk(folder: Path) -> Child:
    """A command that prints more than a pipe holds, and tells of its end by a file."""
    (folder / SPOOL).mkdir()
    (folder / "free").touch()
    script = f"head -c 1000000 /dev/zero; touch {folder}/printed"
    env = {"PATH": os.environ["PATH"], "DROVER_TEST_CHILD": str(folder)}
    spec = ChildSpec(["sh", "-c", script], str(folder), env, [], str(folder), 0.5, reserve_bytes=10)
    spec.write(folder)
    child = Child(folder, program=("-c", FULL_DISK))
    eventually("the command waits in a write", lambda: is_writing(child))
    return child


def is_writing(child: Child) -> bool:
    for pid in descendants(child.guard.pid):
        try:
            name, where = (Path(f"/proc/{pid}/{file}").read_text().strip() for file in ("comm", "wchan"))
        except OSError:
            continue
        if name == "head" and "pipe" in where:
            return True
    return False


def test_a_full_disk_holds_the_playbook_back_and_loses_nothing(tmp_path: Path) -> None:
    child = start_on_a_full_disk(tmp_path)
    assert not (tmp_path / "printed").exists()
    assert (tmp_path / SPOOL / "log").stat().st_size == 0
    (tmp_path / "free").write_bytes(b"x" * 10)
    assert child.wait() == 0
    assert (tmp_path / SPOOL / "log").read_bytes() == bytes(1_000_000)


def test_what_is_held_back_can_still_be_stopped(tmp_path: Path) -> None:
    child = start_on_a_full_disk(tmp_path)
    child.line.send(b"k")
    assert child.wait() == 0
    result = ChildResult.read(tmp_path)
    assert result is not None
    assert result.stopped == "k"
