"""Roles and collections that a project asks for in `requirements.yml`, installed once a revision."""

import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from drover_shared.domain.reasons import Reason

from drover_executor.failures import RunFailedError
from drover_executor.project.ansible_cfg import configured_paths
from drover_executor.project.lock import lock
from drover_executor.project.paths import small_file
from drover_executor.running.commands import TooSlowError, run_helper

_FILES = {  # where AWX and Ansible look for them
    "collection": ("collections/requirements.yml", "collections/requirements.yaml", "requirements.yml"),
    "role": ("roles/requirements.yml", "roles/requirements.yaml", "requirements.yml"),
}
_SETTINGS = {  # environment variable, setting in ansible.cfg, Ansible's own default
    "collection": (
        "ANSIBLE_COLLECTIONS_PATH",
        "collections_path",
        "~/.ansible/collections:/usr/share/ansible/collections",
    ),
    "role": (
        "ANSIBLE_ROLES_PATH",
        "roles_path",
        "~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles",
    ),
}
_DETAIL_CHARS = 500
_DONE = ".done"


@dataclass(frozen=True, slots=True)
class Installer:
    """`target` holds what is installed; it may be shared by runs of the same revision."""

    project: Path
    target: Path
    env: Mapping[str, str]
    seconds: float
    check: Callable[[], None]

    def install(self) -> dict[str, str]:
        """Install what is asked for; returns environment variables. Raises RunFailedError, OSError."""
        wanted = {kind: self._wanted(kind) for kind in _FILES}
        if not any(wanted.values()):
            return {}
        self.target.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.target, os.O_RDONLY | os.O_DIRECTORY)
        try:
            lock(descriptor, self.check)
            if not (self.target / _DONE).exists():
                for kind, files in wanted.items():
                    for file in files:
                        self._galaxy(kind, file)
                (self.target / _DONE).touch()
        finally:
            os.close(descriptor)
        return dict(self._variable(kind) for kind, files in wanted.items() if files)

    def _wanted(self, kind: str) -> list[Path]:
        found = [small_file(self.project, name) for name in _FILES[kind]]
        return [path for path in found if path is not None and _asks_for(kind, path)]

    def _galaxy(self, kind: str, file: Path) -> None:
        tool = str(Path(sys.executable).parent / "ansible-galaxy")
        command = [tool, kind, "install", "-r", str(file), "-p", str(self.target / f"{kind}s")]
        name = file.relative_to(self.project.resolve())
        try:
            done = run_helper(command, env=self.env, cwd=self.project, seconds=self.seconds, check=self.check)
        except TooSlowError:
            raise RunFailedError(Reason.PROJECT_INVALID, f"{name}: ansible-galaxy took too long.") from None
        if done.status:
            told = " ".join((done.errors or done.output).split())[-_DETAIL_CHARS:]
            raise RunFailedError(Reason.PROJECT_INVALID, f"{name}: {told}")

    def _variable(self, kind: str) -> tuple[str, str]:
        """Ours first, then where the project or Ansible itself would look."""
        variable, setting, default = _SETTINGS[kind]
        others = self.env.get(variable) or ":".join(configured_paths(self.project, setting)) or default
        return variable, f"{self.target / f'{kind}s'}:{others}"


def shared_target(folder: Path, project_url: str, revision: str) -> Path:
    """Where the requirements of one revision are kept for all runs."""
    name = hashlib.sha256(f"{project_url}\0{revision}".encode()).hexdigest()[:32]
    return folder / "requirements" / name


def _asks_for(kind: str, file: Path) -> bool:
    """A list, the old form, is of roles; else each kind has its key. Raises RunFailedError."""
    try:
        content: Any = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError):
        raise RunFailedError(Reason.PROJECT_INVALID, f"{file.name} is not valid YAML.") from None
    if isinstance(content, list):
        return kind == "role" and bool(content)
    return isinstance(content, dict) and bool(content.get(f"{kind}s"))
