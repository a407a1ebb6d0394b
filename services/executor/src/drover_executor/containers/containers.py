"""A run's container: how its playbook is started in it, and its end."""

import hashlib
import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from drover_shared.domain.reasons import Reason
from drover_shared.logging import get_logger

from drover_executor.child.spec import ChildSpec
from drover_executor.containers.engine import Engine, engine_environment
from drover_executor.containers.images import Puller
from drover_executor.containers.settings import PODMAN, ContainerSettings
from drover_executor.failures import RunFailedError
from drover_executor.running.commands import TooSlowError
from drover_executor.running.workspace import RUN_VARIABLE, Workspace

_log = get_logger("drover.executor.containers")
_LABEL = "io.drover.executor"
_PREFIX = "drover-"
_HOSTS_OWN = frozenset({"PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Containers:
    """The containers of one executor. A run's folders are mounted at their own paths.

    So Ansible prints the same paths, command and options as without a container.
    """

    def __init__(self, engine: Engine, settings: ContainerSettings, folder: Path) -> None:
        self.engine, self._settings, self._folder = engine, settings, folder
        self._owner = hashlib.sha256(str(folder).encode()).hexdigest()[:24]

    def get_image(
        self,
        space: Workspace,
        manifest: Mapping[str, Any],
        credential: Callable[[int], Mapping[str, Any]],
        check: Callable[[], None],
    ) -> str:
        """The image to run in, which is on this machine now. Raises RunFailedError."""
        environment = manifest.get("execution_environment") or {}
        image = str(environment.get("image") or self._settings.image)
        if not image:
            raise RunFailedError(
                Reason.EXECUTION_ENVIRONMENT_ERROR,
                "The job names no execution environment, and this executor runs playbooks in containers only "
                "(DROVER_EXECUTOR_IMAGE).",
            )
        secret_id = manifest.get("execution_environment_credential_id")
        Puller(self.engine, space, self._settings.pull_seconds, check).get(
            image,
            str(manifest.get("execution_environment_pull") or "missing"),
            lambda: None if secret_id is None else credential(int(secret_id)),
        )
        return image

    def wrap(self, spec: ChildSpec, space: Workspace, image: str, readable: Sequence[Path]) -> ChildSpec:
        """The same playbook in a container; `readable` is mounted read-only, besides the project.

        Raises RunFailedError. The environment goes in by a file of mode 0600: never by an argument, and never
        into the engine's own records. Output comes by a named pipe, so that it is what Ansible wrote.
        """
        home, output = space.private / "home", space.private / "output"
        home.mkdir(mode=0o700, exist_ok=True)
        Path(spec.events_dir).mkdir(mode=0o700, parents=True, exist_ok=True)
        os.mkfifo(output, 0o600)
        inside = {key: value for key, value in spec.env.items() if key not in _HOSTS_OWN}
        start = space.write_private("start", _script({**inside, "HOME": str(home)}, output))
        name = _name(space.run_id)
        mounts = [(space.private, "rw"), (space.sockets, "rw"), (space.project, "ro")]
        mounts += [(path, "ro") for path in readable]
        command = [
            *self._run_options(name, space),
            *(f"--volume={path}:{path}:{mode}" for path, mode in mounts),
            f"--workdir={spec.cwd}",
            "--entrypoint=/bin/sh",
            image,
            str(start),
            *spec.command,
        ]
        return replace(
            spec,
            command=command,
            cwd="/",
            env={**engine_environment(), RUN_VARIABLE: str(space.run_id)},
            output=str(output),
            end_command=[self.engine.program, *self._remove(name)],
        )

    def _run_options(self, name: str, space: Workspace) -> list[str]:
        limits, podman = self._settings, self.engine.name == PODMAN
        quiet = ["--log-level=error"] if podman else []  # an engine's hints are not Ansible's output
        options = [self.engine.program, *quiet, "run", f"--name={name}", f"--label={_LABEL}={self._owner}"]
        options += ["--pull=never", "--log-driver=none", f"--env={RUN_VARIABLE}={space.run_id}"]
        options += ["--cap-drop=ALL", "--security-opt=no-new-privileges", "--security-opt=label=disable"]
        if limits.network:
            options.append(f"--network={limits.network}")
        if limits.memory_mb:
            options += [f"--memory={limits.memory_mb}m", f"--memory-swap={limits.memory_mb}m"]
        if limits.cpus:
            options.append(f"--cpus={limits.cpus:g}")
        options.append(f"--pids-limit={limits.pids or -1}")
        if not podman:
            options.append(f"--user={os.geteuid()}:{os.getegid()}")
        elif os.geteuid():
            options.append("--userns=keep-id")
        return options

    def remove(self, run_id: UUID) -> None:
        """End a run's container, whatever it does; harmless where there is none."""
        self._quietly(self._remove(_name(run_id)))

    def sweep(self) -> None:
        """End what an earlier executor with this folder left: containers whose run has no folder any more."""
        listed = self._quietly(
            ["ps", "--all", f"--filter=label={_LABEL}={self._owner}", "--format={{.Names}}"]
        )
        for name in listed.split():
            if not (self._folder / "runs" / name.removeprefix(_PREFIX)).exists():
                self._quietly(self._remove(name))
                _log.warning("leftover_container_removed", name=name)

    def _remove(self, name: str) -> list[str]:
        at_once = ["--time=0", "--ignore"] if self.engine.name == PODMAN else []
        return ["rm", "--force", *at_once, name]

    def _quietly(self, arguments: list[str]) -> str:
        try:
            done = self.engine.run(arguments)
        except (TooSlowError, OSError) as error:
            _log.warning("engine_failed", command=arguments[0], error=str(error) or type(error).__name__)
            return ""
        if done.status and "no such container" not in done.errors.lower():
            _log.warning("engine_failed", command=arguments[0], error=done.errors.strip()[-500:])
        return done.output


def _name(run_id: UUID) -> str:
    return f"{_PREFIX}{run_id}"


def _script(env: Mapping[str, str], output: Path) -> str:
    """Sets the environment, then becomes the command, with both of its outputs in one pipe."""
    lines = ["#!/bin/sh"]
    for name, value in env.items():
        if not _NAME.fullmatch(name):
            raise RunFailedError(
                Reason.CREDENTIAL_ERROR, f"A variable called {name!r} cannot be set in a container."
            )
        lines.append(f"export {name}={shlex.quote(value)}")
    return "\n".join([*lines, f'exec "$@" </dev/null >{shlex.quote(str(output))} 2>&1', ""])
