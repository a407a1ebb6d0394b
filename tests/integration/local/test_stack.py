"""A whole stack started and stopped as a person does it; whatever happens, nothing stays."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest
import redis
from drover_cli.local.health import is_ready
from drover_cli.local.home import SERVICES
from drover_cli.local.servers import HOST
from drover_cli.local.state import ServiceState, StackState, is_alive, is_running, read_state
from support.live import LiveStack
from support.waiting import eventually

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> LiveStack:
    """A folder that each test finds as the one before has left it: only the first start has all to make."""
    return LiveStack(tmp_path_factory.mktemp("stack") / "home")


@pytest.fixture
def stack(home: LiveStack) -> Iterator[LiveStack]:
    yield home
    home.stop()
    assert nothing_runs(home)


def nothing_runs(stack: LiveStack) -> bool:
    """Whether no process on this machine works in the stack's folder, by arguments, environment or place."""
    folder = str(stack.home.folder)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            seen = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            seen += bytes((process / "cwd").readlink())
        except OSError:
            continue
        if folder.encode() in seen and int(process.name) != os.getpid():
            return False
    return True


def state_of(stack: LiveStack) -> StackState:
    state = read_state(stack.home)
    assert state is not None
    return state


def foreground(stack: LiveStack) -> "subprocess.Popen[str]":
    """`drover up` in a process group of its own, as a terminal makes one."""
    return subprocess.Popen(
        [sys.executable, "-m", "drover_cli", "up"],
        env=stack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def test_ctrl_c_early_leaves_nothing(stack: LiveStack) -> None:
    """Nor a folder that no start can use: it comes while PostgreSQL makes its own."""
    process = foreground(stack)
    eventually("the first server starts", lambda: "PostgreSQL" in reached(stack), 120)
    os.killpg(process.pid, signal.SIGINT)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert "Traceback" not in text
    assert nothing_runs(stack)


def test_a_whole_life(stack: LiveStack) -> None:
    """In the whole suite other stacks run beside it."""
    assert "not running" in stack.command("status").stdout
    assert stack.command("down").returncode == 0
    stack.start()
    assert httpx.get(f"{stack.url}/readyz").json()["status"] == "ok"
    check_what_a_person_sees(stack)
    letters = stack.command("admin", "dead-letters", "list")
    assert letters.returncode == 0, letters.stderr
    assert letters.stdout.split()[0] == "id"
    assert "no events are older" in stack.command("admin", "retention", "--days", "30").stdout
    check_crashed_servers_come_back(stack)
    services = state_of(stack).services
    os.kill(state_of(stack).pid, signal.SIGKILL)
    eventually("the supervisor is gone", lambda: not is_running(stack.home), 10)
    check_it_starts_at_once_and_ends_with_its_terminal(stack, services.values())


def check_what_a_person_sees(stack: LiveStack) -> None:
    again = stack.command("up")
    assert again.returncode == 0
    assert f"already up: {stack.url}" in again.stdout
    shown = stack.command("status")
    assert shown.returncode == 0
    rows = {line.split()[0]: line.split() for line in shown.stdout.splitlines() if line.strip()}
    assert [rows[name][3] for name in SERVICES] == ["yes"] * len(SERVICES)
    assert '"service"' in stack.command("logs", "scheduler").stdout
    assert "one of: postgres" in stack.command("logs", "nothing").stderr


def check_it_starts_at_once_and_ends_with_its_terminal(
    stack: LiveStack, before: Iterable[ServiceState]
) -> None:
    """While what ran before may still be ending."""
    process = foreground(stack)
    eventually("what ran before is gone", lambda: not any(is_alive(one) for one in before), 60)
    eventually("ready", lambda: is_ready(HOST, stack.home.api_port), 180)
    now = state_of(stack).services.values()
    os.killpg(process.pid, signal.SIGINT)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert "Drover is stopped" in text
    assert not any(is_alive(one) for one in now)


def check_crashed_servers_come_back(stack: LiveStack) -> None:
    with stack.redis() as client:
        client.config_set("appendfsync", "always")
        client.set("kept", "7")
    for name in ("redis", "postgres", "s3"):
        stack.kill(name)
    with stack.redis() as client:
        assert eventually("redis answers", lambda: answer(client), 30) == b"7"
    eventually("all is ready again", lambda: stack.command("status").returncode == 0, 60)


def reached(stack: LiveStack) -> str:
    """What a stack is just starting, or its phase; empty where it is what one before has left."""
    state = read_state(stack.home)
    return state.step or state.phase if state is not None and state.phase in ("starting", "ready") else ""


def test_a_killed_terminal_takes_the_stack_along(stack: LiveStack) -> None:
    process = foreground(stack)
    eventually("services start", lambda: "executor" in reached(stack), 120)
    process.kill()
    process.communicate()
    eventually("nothing runs", lambda: nothing_runs(stack), 60)


def answer(client: "redis.Redis") -> bytes | None:
    try:
        value: bytes | None = client.get("kept")  # type: ignore[assignment]
    except redis.RedisError:
        return None
    return value


def test_a_taken_port_is_said_in_one_line(stack: LiveStack) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a stack had it before
        listener.bind(("127.0.0.1", stack.home.api_port))
        listener.listen()
        done = stack.command("up", "--detach")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"port {stack.home.api_port} is taken" in done.stderr
    assert "DROVER_PORT=" in done.stderr
    assert nothing_runs(stack)
