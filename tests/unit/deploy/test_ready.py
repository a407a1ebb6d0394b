"""The containers' health check, against a real HTTP server."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from drover_shared.health import serve_health
from drover_shared.settings import HealthSettings

READY = Path(__file__).resolve().parents[3] / "deploy" / "ready.py"


def fails() -> None:
    raise ConnectionError


def works() -> None:
    """A dependency that answers."""


def ask(**environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run([sys.executable, "-I", READY], env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize(("check", "code"), [(works, 0), (fails, 1)])
@pytest.mark.parametrize("variable", ["DROVER_HEALTH_PORT", "DROVER_PORT"])
def test_it_says_what_the_service_says(
    check: Callable[[], None], code: int, variable: str, free_port: int
) -> None:
    server = serve_health(HealthSettings("127.0.0.1", free_port), {"database": check}, {})
    assert server is not None
    try:
        answer = ask(**{variable: str(free_port)})
    finally:
        server.shutdown()
        server.server_close()
    assert answer.returncode == code
    assert "database" in answer.stdout


def test_no_answer_is_not_ready(free_port: int) -> None:
    answer = ask(DROVER_PORT=str(free_port))
    assert answer.returncode == 1
    assert "ConnectionRefusedError" in answer.stdout
