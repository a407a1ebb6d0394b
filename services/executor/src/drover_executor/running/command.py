"""From a manifest to the command of its playbook, by way of ansible-runner's configuration."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_runner.config.runner import RunnerConfig
from ansible_runner.utils import get_callback_dir
from drover_shared.domain.reasons import Reason
from drover_shared.masking import SHORTEST

from drover_executor.child.spec import ChildSpec
from drover_executor.failures import RunFailedError
from drover_executor.project.ansible_cfg import configured, configured_paths
from drover_executor.project.checkout import ProjectSource, playbook_in
from drover_executor.running import facts
from drover_executor.running.credentials import Injected
from drover_executor.running.environment import playbook_environment
from drover_executor.running.slices import limit_argument, limited_to_share
from drover_executor.running.variables import variables_file
from drover_executor.running.workspace import Workspace

GRACE_SECONDS = 10.0  # between an interrupt and the end by force
_MAX_VERBOSITY = 5
_DEFAULT_CALLBACKS = "~/.ansible/plugins/callback:/usr/share/ansible/plugins/callback"


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a run of a playbook needs; `injected` holds secrets."""

    space: Workspace
    manifest: Mapping[str, Any]
    injected: Injected = field(repr=False)
    source: ProjectSource
    max_output_bytes: int
    paths: Mapping[str, str]  # variables that name the project's installed roles and collections


def child_spec(prepared: Prepared) -> ChildSpec:
    """Write inventory and variables, and say how to run the playbook. Raises RunFailedError."""
    space, manifest, injected = prepared.space, prepared.manifest, prepared.injected
    inventory, variables = str(_inventory(prepared)), _variables(prepared)
    config = RunnerConfig(
        private_data_dir=str(space.private),
        project_dir=str(space.project),
        ident="run",
        playbook=playbook_in(space, str(manifest["playbook"]["playbook_path"])),
        inventory=inventory,
        extravars=None,
        limit=None if manifest.get("slice") else limit_argument(space, manifest.get("limit") or ""),
        verbosity=min(int(manifest.get("verbosity") or 0), _MAX_VERBOSITY) or None,
        forks=manifest.get("forks") or None,
        tags=",".join(manifest.get("tags") or ()) or None,
        skip_tags=",".join(manifest.get("skip_tags") or ()) or None,
        cmdline=shlex.join([*_options(prepared), *variables]) or None,
        envvars=_original_callback(space.project),
        fact_cache_type="",  # as Ansible's own configuration says, not ansible-runner's
    )
    config.prepare()
    base = playbook_environment(space, injected.env)
    cache = facts.cache_environment(space) if manifest.get("use_fact_cache") else {}
    agent = {"SSH_AUTH_SOCK": str(space.sockets / "agent")} if injected.agent_keys else {}
    command = [str(word) for word in config.command]
    deciding = [f"--inventory={inventory}", *injected.options, *variables]
    return ChildSpec(
        command=limited_to_share(space, manifest, command, deciding),
        cwd=str(space.project),
        env=base | dict(prepared.paths) | _runners_own(config.env, space.project) | agent | cache,
        secrets=[*injected.secrets, *_secret_vars(manifest)],
        events_dir=str(Path(config.artifact_dir) / "job_events"),
        grace_seconds=GRACE_SECONDS,
        max_output_bytes=prepared.max_output_bytes,
        agent_socket=agent.get("SSH_AUTH_SOCK"),
        agent_keys=injected.agent_keys,
        facts_dir=cache.get("ANSIBLE_CACHE_PLUGIN_CONNECTION"),
        reserve_bytes=space.reserve_bytes,
    )


def readable(prepared: Prepared) -> list[Path]:
    """What the playbook reads besides its project and its private folder."""
    installed = {Path(paths.partition(":")[0]).parent for paths in prepared.paths.values()}
    return [Path(get_callback_dir()), *sorted(installed), *_outside(prepared)]


def _outside(prepared: Prepared) -> list[Path]:
    """The folder of an inventory that the executor's operator keeps: its variables lie beside it."""
    inventory = prepared.manifest["inventory"]
    if prepared.space.inventory.exists():
        return [prepared.space.inventory]
    if inventory.get("mode") != "file":
        return []
    found = prepared.source.inventory_file(prepared.space.project, str(inventory.get("path") or ""))
    place = found if found.is_dir() else found.parent
    return [] if place.is_relative_to(prepared.space.project.resolve()) else [place]


def _options(prepared: Prepared) -> list[str]:
    manifest, injected = prepared.manifest, prepared.injected
    options = list(injected.options)
    if manifest.get("job_type") == "check":
        options.append("--check")
    if manifest.get("diff_mode"):
        options.append("--diff")
    if task := manifest.get("start_at_task"):
        options.append(f"--start-at-task={task}")
    if manifest.get("become_enabled"):
        options.append("--become")
    return options


def _variables(prepared: Prepared) -> list[str]:
    manifest, injected = prepared.manifest, prepared.injected
    variables = manifest.get("extra_vars") or {}
    if not variables and not injected.extra_vars:
        return []
    data = {*(manifest.get("secret_vars") or ()), *(manifest.get("untrusted_vars") or ())}
    text = variables_file(injected.extra_vars, variables, data)
    return [f"--extra-vars=@{prepared.space.write_private('extravars.yml', text)}"]


def _inventory(prepared: Prepared) -> Path:
    inventory, space = prepared.manifest["inventory"], prepared.space
    if inventory.get("mode") == "inline":
        return space.write_private("inventory/hosts", inventory.get("content") or "")
    path = inventory.get("path")
    if not path:
        raise RunFailedError(Reason.INVENTORY_INVALID, "The inventory names no file.")
    return prepared.source.inventory_file(_inventory_root(prepared), str(path))


def _inventory_root(prepared: Prepared) -> Path:
    other = prepared.manifest["inventory"].get("project")
    return prepared.space.inventory if other else prepared.space.project


def _runners_own(env: Mapping[str, str], project: Path) -> dict[str, str]:
    """What ansible-runner needs for its callback; the rest of its environment is this process's own."""
    names = (
        "ANSIBLE_STDOUT_CALLBACK",
        "ORIGINAL_STDOUT_CALLBACK",
        "AWX_ISOLATED_DATA_DIR",
        "ANSIBLE_HOST_KEY_CHECKING",
        "ANSIBLE_RETRY_FILES_ENABLED",
        "RUNNER_OMIT_EVENTS",
        "RUNNER_ONLY_FAILED_EVENTS",
    )
    return {name: env[name] for name in names if name in env} | _callback_folders(env, project)


def _original_callback(project: Path) -> dict[str, str]:
    """The display callback the project asks for: ansible-runner's wraps it, so that its look is kept."""
    name = configured(project, "stdout_callback").split("#")[0].strip()
    return {"ORIGINAL_STDOUT_CALLBACK": name} if name else {}


def _callback_folders(env: Mapping[str, str], project: Path) -> dict[str, str]:
    """Ansible-runner's folder of callbacks, then where the project, or else Ansible itself, has its own."""
    others = configured_paths(project, "callback_plugins") or [_DEFAULT_CALLBACKS]
    return {"ANSIBLE_CALLBACK_PLUGINS": ":".join([env["ANSIBLE_CALLBACK_PLUGINS"], *others])}


def _secret_vars(manifest: Mapping[str, Any]) -> list[str]:
    variables = manifest.get("extra_vars") or {}
    values = [variables.get(name) for name in manifest.get("secret_vars") or ()]
    return [str(value) for value in values if value is not None and len(str(value)) >= SHORTEST]
