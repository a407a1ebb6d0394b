"""An ssh-agent of the run's own, for keys with a passphrase."""

import os
import subprocess
from pathlib import Path

from drover_executor.child.spec import ChildSpec

_SECONDS = 20.0
# Answers once: ssh-add would ask for ever after a passphrase that is wrong.
_ONCE = '#!/bin/sh\ncat "${0%.askpass}.passphrase" && rm "${0%.askpass}.passphrase"\n'


def start_agent(spec: ChildSpec) -> None:
    """Start the agent as this process's child and give it the keys. Raises KeyRefusedError.

    The passphrase reaches ssh-add through an askpass script that prints a file: never in an argument or in
    the environment.
    """
    if spec.agent_socket is None:
        return
    subprocess.run(
        ["ssh-agent", "-a", spec.agent_socket], check=True, stdout=subprocess.DEVNULL, timeout=_SECONDS
    )
    for key in spec.agent_keys:
        _add_key(spec.agent_socket, key)


def _add_key(socket: str, key: dict[str, str]) -> None:
    askpass = Path(f"{key['key']}.askpass")
    askpass.write_text(_ONCE)
    askpass.chmod(0o700)
    env = {
        "PATH": os.environ["PATH"],
        "SSH_AUTH_SOCK": socket,
        "SSH_ASKPASS": str(askpass),
        "SSH_ASKPASS_REQUIRE": "force",
        "DISPLAY": "none",
    }
    done = subprocess.run(
        ["ssh-add", "-q", key["key"]],
        check=False,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=_SECONDS,
    )
    if done.returncode:
        raise KeyRefusedError(done.stderr.decode(errors="replace").strip())


class KeyRefusedError(Exception):
    """ssh-add did not take a key; its text is ssh-add's."""
