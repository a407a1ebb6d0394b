"""`drover demo`, as a person runs it: twice, and with a Ctrl-C in its middle."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from drover_cli.local.state import is_running
from support.live import LiveStack
from support.waiting import eventually

pytestmark = pytest.mark.e2e

# host: ok, changed, failed, unreachable, skipped — as ansible-playbook itself counts them
EXPECTED = {
    "app01": [2, 0, 0, 0, 3],
    "db02": [4, 1, 0, 0, 3],
    "full01": [1, 0, 1, 0, 0],
    "gone01": [0, 0, 0, 1, 0],
    "web01": [9, 4, 0, 0, 0],
    "web03": [5, 2, 0, 0, 1],
}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LiveStack]:
    live = LiveStack(tmp_path / "home")
    yield live
    live.stop()


def assert_shown(text: str) -> None:
    """The log, the job, the table and where to look next are all in `text`."""
    assert "PLAY RECAP" in text
    assert re.search(r"^Job \d+ +Roll out the site +failed$", text, re.MULTILINE), text
    assert "10: 8 ok, 5 changed, 1 failed, 1 unreachable" in text
    rows = {
        line.split()[0]: line.split()[1:]
        for line in text.splitlines()
        if re.match(r"\w+\d\d( +\d+){5}$", line)
    }
    assert len(rows) == 10
    assert {host: [int(cell) for cell in rows[host]] for host in EXPECTED} == EXPECTED
    assert "/api/v1/docs" in text


def test_the_demo_twice(stack: LiveStack) -> None:
    """The first time with Ctrl-C in its middle, the second time to its end on what the first one left."""
    interrupt_in_the_middle(stack)
    done = stack.command("demo", "--keep", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr + stack.tail_logs()
    assert_shown(done.stdout)
    assert is_running(stack.home)
    with stack.client() as client:
        for path in ("organizations", "projects", "inventories", "job-templates", "credentials"):
            names = [item["name"] for item in client.get(f"/{path}").json()["items"]]
            assert len(names) == len(set(names)), path
        statuses = [job["status"] for job in client.get("/jobs?order_by=id").json()["items"]]
        assert statuses[1:] == ["failed"]  # of the first one its Ctrl-C decided


def interrupt_in_the_middle(stack: LiveStack) -> None:
    """A stack that a demo started ends with it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "drover_cli", "demo"],
        env=stack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
    )
    assert process.stdout is not None
    read = b""

    def playing() -> bool:
        nonlocal read
        assert process.stdout is not None
        read += os.read(process.stdout.fileno(), 65536)
        return b"TASK [" in read

    eventually("the play runs", playing, 300)
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130, read + rest
    assert b"is told to stop" in rest
    assert b"Traceback" not in read + rest
    assert not is_running(stack.home)
    eventually("no playbook runs", lambda: not playbooks_of(stack), 15)


def playbooks_of(stack: LiveStack) -> list[bytes]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if bytes(stack.home.folder) in command:
            found.append(command)
    return found
