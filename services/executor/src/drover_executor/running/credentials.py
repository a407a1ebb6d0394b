"""Credentials as Ansible takes them: files of mode 0600, options that name files, environment variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drover_shared.domain.reasons import Reason
from drover_shared.masking import SHORTEST

from drover_executor.failures import RunFailedError
from drover_executor.running.workspace import Workspace

_OPEN_FIELDS = frozenset(  # of the built-in types; every other field is taken for a secret
    {
        "username",
        "become_method",
        "become_username",
        "vault_id",
        "host",
        "verify_ssl",
        "ssh_public_key_data",
        "region",
        "project",
        "domain",
        "url",
    }
)
_FILE_NAME = re.compile(r"\{\{\s*drover\.filename(?:\.([A-Za-z0-9_]+))?\s*\}\}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass
class Injected:
    """What all credentials of a run add to its command, environment and variables."""

    options: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict, repr=False)
    extra_vars: dict[str, Any] = field(default_factory=dict, repr=False)
    secrets: list[str] = field(default_factory=list, repr=False)
    agent_keys: list[dict[str, str]] = field(default_factory=list)


def inject(space: Workspace, credentials: list[Mapping[str, Any]]) -> Injected:
    """Write the files of all `credentials` (as the API hands them out). Raises RunFailedError."""
    injected = Injected()
    for credential in credentials:
        inputs = {
            key: value for key, value in (credential.get("inputs") or {}).items() if value not in (None, "")
        }
        injected.secrets += secrets_of(inputs)
        name = f"credentials/{credential['id']}"
        match credential.get("type"):
            case "machine":
                _machine(space, name, inputs, injected)
            case "vault":
                _vault(space, name, inputs, injected)
        _by_type(space, name, credential.get("injectors") or {}, injected)
    return injected


def secrets_of(inputs: Mapping[str, Any]) -> list[str]:
    """The values to mask."""
    return [
        value
        for key, value in inputs.items()
        if key not in _OPEN_FIELDS and isinstance(value, str) and len(value) >= SHORTEST
    ]


def _machine(space: Workspace, name: str, inputs: Mapping[str, Any], injected: Injected) -> None:
    if user := inputs.get("username"):
        injected.options.append(f"--user={user}")
    if password := inputs.get("password"):
        path = space.write_private(f"{name}.password", str(password))
        injected.options.append(f"--connection-password-file={path}")
    if method := inputs.get("become_method"):
        injected.options.append(f"--become-method={method}")
    if user := inputs.get("become_username"):
        injected.options.append(f"--become-user={user}")
    if password := inputs.get("become_password"):
        path = space.write_private(f"{name}.become", str(password))
        injected.options.append(f"--become-password-file={path}")
    if key := inputs.get("ssh_key_data"):
        _ssh_key(space, name, inputs, str(key), injected)


def _ssh_key(space: Workspace, name: str, inputs: Mapping[str, Any], key: str, injected: Injected) -> None:
    key = key.replace("\r\n", "\n")
    path = space.write_private(f"{name}.key", key if key.endswith("\n") else key + "\n")
    if certificate := inputs.get("ssh_public_key_data"):
        space.write_private(f"{name}.key-cert.pub", str(certificate))
    if passphrase := inputs.get("ssh_key_unlock"):
        secret = space.write_private(f"{name}.key.passphrase", f"{passphrase}\n")
        injected.agent_keys.append({"key": str(path), "passphrase": str(secret)})
    else:
        injected.options.append(f"--private-key={path}")


def _vault(space: Workspace, name: str, inputs: Mapping[str, Any], injected: Injected) -> None:
    password = inputs.get("vault_password")
    if not password:
        raise RunFailedError(Reason.CREDENTIAL_ERROR, "The vault credential holds no password.")
    label = str(inputs.get("vault_id") or "default")
    path = space.write_private(f"{name}.vault", str(password))
    injected.options.append(f"--vault-id={label}@{path}")


def _by_type(space: Workspace, name: str, injectors: Mapping[str, Any], injected: Injected) -> None:
    """What the credential's type injects: files first, for the others name them."""
    paths: dict[str | None, Path] = {}
    for label, text in (injectors.get("files") or {}).items():
        key = label.removeprefix("template").removeprefix(".") or None
        if key is not None and not _PLAIN_NAME.fullmatch(key):
            raise RunFailedError(Reason.CREDENTIAL_ERROR, f"A credential's file may not be called {key!r}.")
        paths[key] = space.write_private(f"{name}.file{'' if key is None else '.' + key}", str(text))
    for variable, value in (injectors.get("env") or {}).items():
        injected.env[str(variable)] = str(_named(value, paths))
    for variable, value in (injectors.get("extra_vars") or {}).items():
        injected.extra_vars[str(variable)] = _named(value, paths)


def _named(value: Any, paths: Mapping[str | None, Path]) -> Any:
    """`value` with the executor's own placeholders replaced by the paths of files."""
    if isinstance(value, str):
        return _FILE_NAME.sub(lambda found: str(paths.get(found[1], "")), value)
    if isinstance(value, Mapping):
        return {key: _named(item, paths) for key, item in value.items()}
    if isinstance(value, list):
        return [_named(item, paths) for item in value]
    return value
