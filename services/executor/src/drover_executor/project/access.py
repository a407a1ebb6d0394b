"""How git proves who we are: by files of mode 0600, never by an argument or an address."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from drover_executor.project.address import Address
from drover_executor.running.workspace import Workspace

_PASSED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
_PROTOCOLS = "https:http:ssh:git:file"  # file is judged by its path; ext and others run commands
CREDENTIALS = "git"  # the folder of these files, under the run's private one
_STALLED_SECONDS = "30"

# Git asks like this: Password for 'https://user@git.example.com': . Another host, such as a submodule's, is
# told nothing.
_ASKPASS = """#!/bin/sh
case "$1" in
  Username*://{host}) exec cat "{username}" ;;
  Password*://{host} | Password*@{host}) exec cat "{password}" ;;
esac
exit 1
"""
_UNLOCK = """#!/bin/sh
exec cat "{password}"
"""


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """Keys of SSH hosts. `strict`: these alone; else a host's first key is kept, and no other taken later."""

    path: Path
    strict: bool


@dataclass(frozen=True, slots=True)
class GitAccess:
    """The environment git runs with, and the secrets that must not be seen in what it says."""

    env: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


def git_access(
    space: Workspace,
    credential: Mapping[str, Any] | None,
    known_hosts: KnownHosts,
    address: Address,
    ca_file: str = "",
) -> GitAccess:
    """Access with an `scm` credential's inputs, or with the address's own `login`, or with none.

    A user name or password is told to the host of `address` alone.
    """
    inputs: Mapping[str, Any] = (credential or {}).get("inputs") or {}
    if not inputs and address.login is not None:
        user, password = address.login
        inputs = {"username": user, "password": password} if password else {"password": user}
    env = passed_environment() | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": _PROTOCOLS,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(space.write_private(f"{CREDENTIALS}/config", "[safe]\n\tdirectory = *\n")),
        "GIT_HTTP_LOW_SPEED_LIMIT": "1",
        "GIT_HTTP_LOW_SPEED_TIME": _STALLED_SECONDS,
        "GIT_LFS_SKIP_SMUDGE": "0",
        "LC_ALL": "C.UTF-8",
    }
    user, password = (str(inputs.get(name) or "") for name in ("username", "password"))
    key, passphrase = (str(inputs.get(name) or "") for name in ("ssh_key_data", "ssh_key_unlock"))
    host = shlex.quote(f"{urlsplit(address.shown).netloc}': ")
    askpass = _script(space, "askpass", _ASKPASS, user or "git", password, host)
    env |= {"GIT_ASKPASS": askpass, "GIT_SSH_COMMAND": _ssh(space, key, known_hosts)}
    if passphrase:
        script = _script(space, "unlock", _UNLOCK, "", passphrase)
        env |= {"SSH_ASKPASS": script, "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": "none"}
    if ca_file:
        env["GIT_SSL_CAINFO"] = ca_file
    return GitAccess(env, tuple(secret for secret in (password, key, passphrase) if secret))


def passed_environment() -> dict[str, str]:
    """What helpers get of this process's own environment: never its tokens or addresses."""
    proxies = {*_PROXIES, *(name.upper() for name in _PROXIES)}
    return {name: os.environ[name] for name in (*_PASSED, *sorted(proxies)) if name in os.environ}


def _script(space: Workspace, name: str, text: str, user: str, password: str, host: str = "") -> str:
    name = f"{CREDENTIALS}/{name}"
    paths = {
        "username": space.write_private(f"{name}.username", user + "\n"),
        "password": space.write_private(f"{name}.password", password + "\n"),
    }
    script = space.write_private(name, text.format(host=host, **paths))
    script.chmod(0o700)
    return str(script)


def _ssh(space: Workspace, key: str, known_hosts: KnownHosts) -> str:
    checking = "yes" if known_hosts.strict else "accept-new"
    command = f'ssh -F none -o StrictHostKeyChecking={checking} -o UserKnownHostsFile="{known_hosts.path}"'
    if known_hosts.strict:
        command += " -o GlobalKnownHostsFile=none"
    command += " -o ConnectTimeout=15 -o ServerAliveInterval=10 -o ServerAliveCountMax=3"
    if not key:
        return f"{command} -o BatchMode=yes"
    path = space.write_private(f"{CREDENTIALS}/key", key if key.endswith("\n") else key + "\n")
    return f'{command} -o IdentitiesOnly=yes -o PasswordAuthentication=no -i "{path}"'
