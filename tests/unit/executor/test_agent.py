"""Keys with a passphrase reach an ssh-agent of the run's own."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from drover_executor.child.agent import KeyRefusedError, start_agent
from drover_executor.child.spec import ChildSpec

pytestmark = pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="there is no ssh-agent here")
PASSPHRASE = 'a pass phrase with $odd "chars"'


@pytest.fixture
def spec(tmp_path: Path) -> Iterator[ChildSpec]:
    key = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", PASSPHRASE, "-f", str(key)]
    subprocess.run(command, check=True)
    secret = tmp_path / "key.passphrase"
    secret.write_text(PASSPHRASE + "\n")
    socket = tmp_path / "agent"
    keys = [{"key": str(key), "passphrase": str(secret)}]
    yield ChildSpec([], "", {}, [], "", 1, str(socket), keys)
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(socket).encode() in entry.read_bytes():
                os.kill(int(entry.parent.name), signal.SIGTERM)
        except OSError:
            continue


def _keys(spec: ChildSpec) -> str:
    env = {**os.environ, "SSH_AUTH_SOCK": spec.agent_socket or ""}
    return subprocess.run(["ssh-add", "-l"], check=False, env=env, capture_output=True, text=True).stdout


def test_a_key_is_added(spec: ChildSpec) -> None:
    start_agent(spec)
    assert "ED25519" in _keys(spec)


def test_a_wrong_passphrase_is_refused(spec: ChildSpec) -> None:
    Path(spec.agent_keys[0]["passphrase"]).write_text("another\n")
    with pytest.raises(KeyRefusedError):
        start_agent(spec)
