"""Gets the image of an execution environment, with its registry's credential where there is one."""

import base64
import json
import shutil
from collections.abc import Callable, Mapping
from typing import Any

from drover_shared.domain.reasons import Reason
from drover_shared.masking import Masker

from drover_executor.containers.engine import Engine
from drover_executor.containers.settings import PODMAN
from drover_executor.failures import RunFailedError
from drover_executor.running.commands import TooSlowError
from drover_executor.running.credentials import secrets_of
from drover_executor.running.workspace import Workspace

ALWAYS, NEVER = "always", "never"
_DETAIL_CHARS = 500
_FOLDER = "registry"  # under the run's private folder


class Puller:
    """`check` is called while the engine works and may raise."""

    def __init__(self, engine: Engine, space: Workspace, seconds: float, check: Callable[[], None]) -> None:
        self._engine, self._space, self._seconds, self._check = engine, space, seconds, check

    def get(self, image: str, policy: str, credential: Callable[[], Mapping[str, Any] | None]) -> None:
        """Have `image` on this machine, as `policy` says. Raises RunFailedError.

        The credential is fetched only where something is pulled, and its file is gone afterwards, before a
        playbook runs.
        """
        if image.startswith("-") or not image.isprintable() or " " in image:
            raise _failed(f"{image!r} is no image's name.")
        if policy != ALWAYS and self._is_here(image):
            return
        if policy == NEVER:
            raise _failed(f"The image {image} is not on this executor, and is never pulled.")
        inputs = dict((credential() or {}).get("inputs") or {})
        try:
            self._pull(image, inputs)
        finally:
            shutil.rmtree(self._space.private / _FOLDER, ignore_errors=True)

    def _is_here(self, image: str) -> bool:
        return self._engine.run(["image", "inspect", "--format", "{{.Id}}", image]).status == 0

    def _pull(self, image: str, inputs: Mapping[str, Any]) -> None:
        try:
            done = self._engine.run(self._command(image, inputs), self._seconds, self._check)
        except TooSlowError:
            raise _failed(f"The image {image} could not be pulled in {self._seconds:g} s.") from None
        if done.status:
            told = " ".join(Masker(secrets_of(inputs)).mask_text(done.errors).split())[-_DETAIL_CHARS:]
            raise _failed(f"The image {image} could not be pulled: {told}")

    def _command(self, image: str, inputs: Mapping[str, Any]) -> list[str]:
        """Podman takes a file, docker a folder with its `config.json`: the same content."""
        podman = self._engine.name == PODMAN
        command = ["pull", "--quiet", image]
        if podman and inputs.get("verify_ssl") is False:
            command.insert(1, "--tls-verify=false")
        if not inputs.get("username"):
            return command
        path = self._space.write_private(f"{_FOLDER}/config.json", _logins(image, inputs))
        if podman:
            return [command[0], f"--authfile={path}", *command[1:]]
        return ["--config", str(path.parent), *command]


def _logins(image: str, inputs: Mapping[str, Any]) -> str:
    registry = str(inputs.get("host") or image.partition("/")[0])
    login = f"{inputs['username']}:{inputs.get('password') or ''}"
    return json.dumps({"auths": {registry: {"auth": base64.b64encode(login.encode()).decode()}}})


def _failed(detail: str) -> RunFailedError:
    return RunFailedError(Reason.EXECUTION_ENVIRONMENT_ERROR, detail)
