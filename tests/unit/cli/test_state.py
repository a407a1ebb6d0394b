import os
import subprocess
from pathlib import Path

import pytest
from drover_cli.local.home import Home
from drover_cli.local.state import (
    ServiceState,
    StackState,
    identity,
    is_alive,
    is_running,
    read_state,
    supervisor_lock,
    write_state,
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path, 8080)


def test_a_state_comes_back_as_it_was_written(home: Home) -> None:
    state = StackState(pid=7, phase="ready", steps=[("schema", 1.5)])
    state.services["api"] = ServiceState(8, "123", 8080, 1000.5, restarts=2)
    write_state(home, state)
    assert read_state(home) == state


@pytest.mark.parametrize("text", ["", "{", "[]", '{"services": {}}', '{"pid": 1, "services": {"api": {}}}'])
def test_a_damaged_state_is_no_state(home: Home, text: str) -> None:
    home.state_file.write_text(text)
    assert read_state(home) is None


def test_a_supervisor_runs_exactly_as_long_as_it_holds_the_lock(home: Home) -> None:
    assert not is_running(home)
    with supervisor_lock(home) as held:
        assert held
        assert is_running(home)
        with supervisor_lock(home) as second:
            assert not second
    assert not is_running(home)


def test_a_process_is_told_from_a_later_one_with_its_pid() -> None:
    mine = ServiceState(os.getpid(), identity(os.getpid()), 1, 0.0)
    assert is_alive(mine)
    assert not is_alive(ServiceState(os.getpid(), "another start time", 1, 0.0))
    ended = subprocess.Popen(["true"])
    known = ServiceState(ended.pid, identity(ended.pid), 1, 0.0)
    ended.wait()
    assert not is_alive(known)
