"""Playbooks that nobody here wrote: the integration targets that ansible-core's source distribution ships.

Nothing of them is kept here: pip fetches the release that is installed, and the tests run its own files.
"""

import shutil
import subprocess
import tarfile
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

_NEEDED = ("prepare_tests", "setup_remote_tmp_dir")  # roles that targets depend on
_ROLE_PLAYBOOK = "- hosts: testhost\n  roles: [{name}]\n"


@dataclass(frozen=True)
class Foreign:
    """One run of a target: a role, or where `playbook` names one, that playbook with its own inventory."""

    target: str
    playbook: str = ""
    inventory: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.target}/{self.playbook}" if self.playbook else self.target

    @property
    def path(self) -> str:
        """The playbook within the project."""
        return f"books/{self.name}" if self.playbook else f"run-{self.target}.yml"


RUNS = (
    Foreign("blocks", "block_fail.yml"),
    Foreign("set_stats", "test_simple.yml"),
    Foreign("roles_var_inheritance", "play.yml"),
    Foreign("loop_control", "extended.yml"),
    Foreign("ignore_errors", "test_ignore_errors_false.yml"),
    Foreign("group_by", "test_group_by.yml", "inventory.group_by"),
    Foreign("handlers", "test_listening_handlers.yml", "inventory.handlers"),
    Foreign("meta_tasks", "test_end_host.yml", "inventory.yml", {"test_strategy": "linear"}),
    Foreign("any_errors_fatal", "play_level.yml", "inventory"),
    Foreign("any_errors_fatal", "always_block.yml", "inventory"),
)


def fetch(folder: Path) -> Path:
    """The integration targets of the installed ansible-core; needs pip and its index."""
    wanted = f"ansible-core=={version('ansible-core')}"
    tools = folder / "tools"
    venv.create(tools, with_pip=True)
    command = [str(tools / "bin/pip"), "download", "-q", "--no-deps", "--no-binary=:all:", "-d", str(folder)]
    subprocess.run([*command, wanted], check=True, timeout=300)
    with tarfile.open(next(folder.glob("ansible_core-*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.glob("ansible_core-*/test/integration/targets"))


def make_project_of(targets: Path, project: Path) -> None:
    """One project of all `RUNS`: roles, and the folders of those that are playbooks."""
    for run in RUNS:
        if run.playbook:
            place = project / "books" / run.target
            if not place.exists():
                shutil.copytree(targets / run.target, place, symlinks=True)
        else:
            shutil.copytree(targets / run.target, project / "roles" / run.target, symlinks=True)
            (project / f"run-{run.target}.yml").write_text(_ROLE_PLAYBOOK.format(name=run.target))
    for role in _NEEDED:
        shutil.copytree(targets / role, project / "roles" / role, symlinks=True)
