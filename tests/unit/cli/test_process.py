"""Child processes, as they are: real ones."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from drover_cli.local.errors import LocalError
from drover_cli.local.process import Child, Program, last_line, wait_until
from support.waiting import eventually

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('up', flush=True); time.sleep(60)"
)


def program(tmp_path: Path, *command: str, **fields: object) -> Program:
    return Program("thing", list(command), tmp_path / "thing.log", **fields)  # type: ignore[arg-type]


def ended(child: Child) -> None:
    eventually("it ends", lambda: child.exit_code() is not None, 10)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    child = Child(
        program(tmp_path, "sh", "-c", "echo hello; echo $GREETING >&2", env={"GREETING": "welcome"})
    )
    ended(child)
    assert (tmp_path / "thing.log").read_text() == "hello\nwelcome\n"


def test_a_child_sees_no_drover_variable_that_is_not_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROVER_DATABASE_URL", "postgresql://secret")
    ended(Child(program(tmp_path, "sh", "-c", "env | grep DROVER_", env={"DROVER_PORT": "1"})))
    assert (tmp_path / "thing.log").read_text() == "DROVER_PORT=1\n"


def test_what_does_not_stop_is_killed_with_its_children(tmp_path: Path) -> None:
    child = Child(
        program(tmp_path, "sh", "-c", f'sleep 60 & echo $!; exec "{sys.executable}" -c "{STUBBORN}"')
    )
    log = tmp_path / "thing.log"
    eventually("it is up", lambda: log.read_text().endswith("up\n"), 10)
    child.stop(timeout=0.1)
    assert child.exit_code() == -signal.SIGKILL
    eventually("its child is gone", lambda: is_gone(int(log.read_text().split()[0])), 5)


def test_a_child_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    source = (
        "import sys, pathlib; from drover_cli.local.process import Child, Program\n"
        f"child = Child(Program('x', ['sleep', '60'], pathlib.Path({str(tmp_path / 'x.log')!r})))\n"
        "print(child.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    comm = Path(f"/proc/{pid}/comm")
    eventually("the program runs", lambda: comm.read_text() == "sleep\n", 10)
    parent.kill()
    parent.communicate()
    eventually("the child is gone", lambda: is_gone(pid), 5)


def test_an_early_end_is_told_with_its_last_words(tmp_path: Path) -> None:
    child = Child(program(tmp_path, "sh", "-c", "echo no such disk; echo; exit 3"))
    with pytest.raises(LocalError, match=r"thing ended while starting \(exit 3\): no such disk") as caught:
        wait_until(lambda: False, child, 10)
    assert caught.value.log == tmp_path / "thing.log"


def test_a_late_one_is_told(tmp_path: Path) -> None:
    child = Child(program(tmp_path, "sleep", "60"))
    with pytest.raises(LocalError, match="was not ready"):
        wait_until(lambda: False, child, 0.05)
    child.kill()


def test_last_line(tmp_path: Path) -> None:
    assert last_line(tmp_path / "none") == ""
    (tmp_path / "log").write_text("x" * 10_000 + "\nthe end\n\n")
    assert last_line(tmp_path / "log") == "the end"
