"""Says how well playbooks are kept apart from this machine, and refuses where that is not enough."""

import shutil

from drover_shared.logging import get_logger
from drover_shared.settings import SettingsError

from drover_executor.settings import NO_ISOLATION, REQUIRE

_log = get_logger("drover.executor.isolation")
_ENGINES = ("podman", "docker")


def check_isolation(wanted: str) -> str | None:
    """The container engine for playbooks, None for none. Raises SettingsError where one is required."""
    engine = None if wanted == NO_ISOLATION else next(filter(shutil.which, _ENGINES), None)
    if engine is None and wanted == REQUIRE:
        raise SettingsError("DROVER_EXECUTOR_ISOLATION=require, but there is no podman or docker")
    if engine is None:
        _log.warning(
            "playbooks_run_unisolated",
            detail="with this process's own user and files; DROVER_EXECUTOR_ISOLATION=container changes that",
        )
    return engine
