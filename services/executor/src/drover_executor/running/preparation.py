"""From a manifest to what the child process runs: project, inventory, credentials, image."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from drover_executor.child.spec import ChildSpec
from drover_executor.containers.containers import Containers
from drover_executor.project.checkout import Fetch, ProjectSource
from drover_executor.running.command import Prepared, child_spec, readable
from drover_executor.running.credentials import inject
from drover_executor.running.environment import playbook_environment
from drover_executor.running.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Preparation:
    """What all attempts on this executor share; `containers` is None where playbooks run without."""

    source: ProjectSource
    containers: Containers | None
    max_output_bytes: int

    def prepare(
        self, space: Workspace, manifest: Mapping[str, Any], credential: Fetch, check: Callable[[], None]
    ) -> tuple[ChildSpec, str | None]:
        """Fill the run's folder; returns how to run the playbook, and its project's revision.

        `check` is called meanwhile and may raise. Raises RunFailedError, OSError.
        """
        source, project = self.source, manifest.get("project") or {}
        revision = source.check_out(space, project, credential, check)
        inventory = manifest["inventory"]
        if inventory.get("mode") == "scm" and inventory.get("project"):
            source.check_out(space, inventory["project"], credential, check, space.inventory)
        image = self._image(space, manifest, credential, check)
        env = playbook_environment(space, {})
        paths = source.requirements(space, project, revision, env, check)
        injected = inject(space, [credential(int(one["id"])) for one in manifest.get("credentials") or ()])
        prepared = Prepared(space, manifest, injected, source, self.max_output_bytes, paths)
        spec = child_spec(prepared)
        if self.containers is not None and image is not None:
            spec = self.containers.wrap(spec, space, image, readable(prepared))
        return spec, revision

    def end_container(self, space: Workspace) -> None:
        """What is left of the run's container is gone when this returns."""
        if self.containers is not None:
            self.containers.remove(space.run_id)

    def _image(
        self, space: Workspace, manifest: Mapping[str, Any], credential: Fetch, check: Callable[[], None]
    ) -> str | None:
        if self.containers is None:
            return None
        return self.containers.get_image(space, manifest, credential, check)
