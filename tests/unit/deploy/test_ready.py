"""The containers' health check, against a real HTTP server."""

import logging
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from drover_shared.health import serve_health
from drover_shared.settings import HealthSettings
from support.waiting import eventually

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


def test_who_hangs_up_leaves_a_line_of_the_log_and_no_traceback(
    free_port: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, "drover.health")
    told: list[str] = []

    def seen() -> str:
        """What was logged, or printed where nobody configured logs."""
        told.extend(capfd.readouterr())
        return caplog.text + "".join(told)

    server = serve_health(HealthSettings("127.0.0.1", free_port), {}, {})
    assert server is not None
    try:
        with socket.create_connection(("127.0.0.1", free_port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # by a reset
        eventually("it is logged", lambda: "probe_failed" in seen())
    finally:
        server.shutdown()
        server.server_close()
    assert "Traceback" not in seen()
