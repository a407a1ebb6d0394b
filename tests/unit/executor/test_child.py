"""The child process with commands that are not Ansible: bytes, exit statuses, processes left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from drover_executor.child.spec import SPOOL, ChildResult, ChildSpec
from drover_executor.child.tree import descendants, with_environment


def run_child(folder: Path, script: str, tell: bytes = b"", secrets: tuple[str, ...] = ()) -> ChildResult:
    (folder / SPOOL).mkdir()
    env = {"PATH": os.environ["PATH"], "DROVER_TEST_CHILD": str(folder)}
    spec = ChildSpec(["sh", "-c", script], str(folder), env, list(secrets), str(folder), 0.5)
    spec.write(folder)
    assert (folder / "child.json").stat().st_mode & 0o777 == 0o600
    child = subprocess.Popen(
        [sys.executable, "-I", "-m", "drover_executor.child", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        if tell:
            assert child.stdout.read(1) == b"."  # it printed something
            child.stdin.write(tell)
            child.stdin.flush()
        while child.stdout.read(4096):
            pass
        assert child.wait(30) == 0
    assert not (folder / "child.json").exists()
    assert with_environment(f"DROVER_TEST_CHILD={folder}".encode()) == []
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
    command = [sys.executable, "-I", "-m", "drover_executor.child", str(tmp_path)]
    subprocess.run(command, check=True, stdin=subprocess.PIPE, timeout=30, capture_output=True)
    result = ChildResult.read(tmp_path)
    assert result is not None
    assert result.rc == 127


def test_descendants_are_found() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 306 & wait"], start_new_session=True) as shell:
        try:
            while not (found := descendants(shell.pid)):
                pass
            assert found
        finally:
            os.killpg(shell.pid, 9)
