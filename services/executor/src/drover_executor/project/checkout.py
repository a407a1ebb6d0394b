"""From a manifest's project to files in the run's folder."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from drover_shared.domain.reasons import Reason

from drover_executor.failures import RunFailedError
from drover_executor.project.access import CREDENTIALS, KnownHosts, git_access
from drover_executor.project.address import judged
from drover_executor.project.git import GitCheckout, GitSource
from drover_executor.project.paths import inside, is_larger, under_any
from drover_executor.project.requirements import Installer, shared_target
from drover_executor.running.workspace import Workspace

_DETAIL_CHARS = 500
Fetch = Callable[[int], Mapping[str, Any]]


class ProjectSource:
    """Where projects come from on this executor."""

    def __init__(
        self,
        folder: Path,
        local_roots: tuple[Path, ...],
        seconds: float,
        *,
        depth: int = 0,
        max_bytes: int = 0,
        ca_file: str = "",
        known_hosts: str = "",
    ) -> None:
        self._folder, self._roots, self._seconds = folder, local_roots, seconds
        self._depth, self._max_bytes, self._ca_file = depth, max_bytes, ca_file
        kept = Path(known_hosts) if known_hosts else folder / "known_hosts"
        self._known_hosts = KnownHosts(kept, strict=bool(known_hosts))

    def check_out(
        self,
        space: Workspace,
        project: Mapping[str, Any],
        credential: Fetch,
        check: Callable[[], None],
        target: Path | None = None,
    ) -> str | None:
        """Fill `target` (`space.project`); returns the revision, None for a local project.

        The files that git was let in with are gone when this returns. Raises RunFailedError.
        """
        target = space.project if target is None else target
        try:
            return self._into(target, space, project, credential, check)
        finally:
            space.forget(CREDENTIALS)  # a playbook has no business with them

    def _into(
        self,
        target: Path,
        space: Workspace,
        project: Mapping[str, Any],
        credential: Fetch,
        check: Callable[[], None],
    ) -> str | None:
        if project.get("scm_type") == "local":
            self._copy(target, str(project.get("scm_url") or ""))
            return None
        address = judged(str(project.get("scm_url") or ""), self._roots)
        secret_id = project.get("scm_credential_id")
        access = git_access(
            space,
            None if secret_id is None else credential(int(secret_id)),
            self._known_hosts,
            address,
            self._ca_file,
        )
        source = GitSource(
            address,
            str(project.get("scm_branch") or ""),
            project.get("scm_revision") or None,
            bool(project.get("scm_submodules")),
            self._depth,
            self._max_bytes,
        )
        cache = self._folder / "projects"
        return GitCheckout(cache, source, access, self._seconds, check).into(target)

    def _copy(self, target: Path, path: str) -> None:
        real = under_any(self._roots, path.removeprefix("file://"))
        if real is None or not real.is_dir():
            raise RunFailedError(
                Reason.PROJECT_INVALID,
                f"{path or 'The local project'} is not a folder this executor may read "
                "(DROVER_EXECUTOR_LOCAL_ROOTS).",
            )
        if self._max_bytes and is_larger(real, self._max_bytes):
            raise RunFailedError(
                Reason.PROJECT_INVALID,
                f"{path} holds more than {self._max_bytes / 1_000_000:g} MB (DROVER_EXECUTOR_PROJECT_MB).",
            )
        try:
            shutil.copytree(real, target, symlinks=True)
        except (shutil.Error, OSError) as error:
            raise RunFailedError(
                Reason.PROJECT_INVALID, f"{path} cannot be copied: {error}"[:_DETAIL_CHARS]
            ) from None

    def requirements(
        self,
        space: Workspace,
        project: Mapping[str, Any],
        revision: str | None,
        env: Mapping[str, str],
        check: Callable[[], None],
    ) -> dict[str, str]:
        """Install the project's roles and collections; returns variables that name them.

        Raises RunFailedError.
        """
        target = (
            space.private / "requirements"
            if revision is None
            else shared_target(self._folder, str(project.get("scm_url")), revision)
        )
        return Installer(space.project, target, env, self._seconds, check).install()

    def inventory_file(self, project: Path, path: str) -> Path:
        """An inventory that is a file or folder of `project`, or one under this executor's own folders.

        Raises RunFailedError.
        """
        found = inside(project, path) or under_any(self._roots, path)
        if found is None or not found.exists():
            raise RunFailedError(Reason.INVENTORY_INVALID, f"There is no inventory {path!r} in the project.")
        return found


def playbook_in(space: Workspace, path: str) -> str:
    """The playbook's path relative to the project. Raises RunFailedError where it is missing or outside."""
    found = inside(space.project, path)
    if found is None:
        raise RunFailedError(Reason.PLAYBOOK_NOT_FOUND, f"The playbook {path!r} is not inside the project.")
    if not found.is_file():
        raise RunFailedError(Reason.PLAYBOOK_NOT_FOUND, f"The project holds no playbook {path!r}.")
    return path
