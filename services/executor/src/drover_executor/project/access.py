"""How git proves who we are: by files of mode 0600, never by an argument or an address."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drover_executor.running.workspace import Workspace

_PASSED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
_PROTOCOLS = "https:http:ssh:git:file"  # file is judged by its path; ext and others run commands
_STALLED_SECONDS = "30"

_ASKPASS = """#!/bin/sh
case "$1" in
  Username*) exec cat "{username}" ;;
  *) exec cat "{password}" ;;
esac
"""


@dataclass(frozen=True, slots=True)
class GitAccess:
    """The environment git runs with, and the secrets that must not be seen in what it says."""

    env: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


def git_access(space: Workspace, credential: Mapping[str, Any] | None, known_hosts: Path) -> GitAccess:
    """Access with an `scm` credential's inputs, or with none."""
    inputs: Mapping[str, Any] = (credential or {}).get("inputs") or {}
    env = passed_environment() | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": _PROTOCOLS,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(space.write_private("git/config", "[safe]\n\tdirectory = *\n")),
        "GIT_HTTP_LOW_SPEED_LIMIT": "1",
        "GIT_HTTP_LOW_SPEED_TIME": _STALLED_SECONDS,
        "GIT_LFS_SKIP_SMUDGE": "0",
        "LC_ALL": "C.UTF-8",
    }
    user, password = (str(inputs.get(name) or "") for name in ("username", "password"))
    key, passphrase = (str(inputs.get(name) or "") for name in ("ssh_key_data", "ssh_key_unlock"))
    askpass = _script(space, "git/askpass", user or "git", password)
    env |= {"GIT_ASKPASS": askpass, "GIT_SSH_COMMAND": _ssh(space, key, known_hosts)}
    if passphrase:
        script = _script(space, "git/unlock", "", passphrase)
        env |= {"SSH_ASKPASS": script, "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": "none"}
    return GitAccess(env, tuple(secret for secret in (password, key, passphrase) if secret))


def passed_environment() -> dict[str, str]:
    """What helpers get of this process's own environment: never its tokens or addresses."""
    proxies = {*_PROXIES, *(name.upper() for name in _PROXIES)}
    return {name: os.environ[name] for name in (*_PASSED, *sorted(proxies)) if name in os.environ}


def _script(space: Workspace, name: str, user: str, password: str) -> str:
    paths = {
        "username": space.write_private(f"{name}.username", user + "\n"),
        "password": space.write_private(f"{name}.password", password + "\n"),
    }
    script = space.write_private(name, _ASKPASS.format(**paths))
    script.chmod(0o700)
    return str(script)


def _ssh(space: Workspace, key: str, known_hosts: Path) -> str:
    """Hosts are remembered at the first contact, and refused when their key changes later."""
    command = f'ssh -F none -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile="{known_hosts}"'
    command += " -o ConnectTimeout=15 -o ServerAliveInterval=10 -o ServerAliveCountMax=3"
    if not key:
        return f"{command} -o BatchMode=yes"
    path = space.write_private("git/key", key if key.endswith("\n") else key + "\n")
    return f'{command} -o IdentitiesOnly=yes -o PasswordAuthentication=no -i "{path}"'
