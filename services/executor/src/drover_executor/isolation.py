"""Decides whether playbooks run in containers, and says so clearly where they do not."""

from pathlib import Path

from drover_shared.logging import get_logger
from drover_shared.settings import SettingsError

from drover_executor.containers.containers import Containers
from drover_executor.containers.engine import find_engine
from drover_executor.settings import NO_ISOLATION, REQUIRE, ExecutorSettings

_log = get_logger("drover.executor.isolation")


def chosen_isolation(settings: ExecutorSettings, folder: Path) -> Containers | None:
    """None where playbooks run as this process's own user: wanted so, or no engine is here.

    Raises SettingsError where a container is required and no engine is here.
    """
    wanted = settings.isolation
    engine = None if wanted == NO_ISOLATION else find_engine(settings.containers.engine)
    if engine is not None:
        _log.info("playbooks_run_in_containers", engine=str(engine))
        return Containers(engine, settings.containers, folder)
    if wanted == REQUIRE:
        raise SettingsError(
            "DROVER_EXECUTOR_ISOLATION=require: neither podman nor docker works here, so this executor does "
            "not start; install one, or set it to container or none where only trusted people write playbooks"
        )
    _log.warning(
        "playbooks_run_unisolated",
        detail="They have this process's user, files and network: let only trusted people write them.",
        wanted=wanted,
    )
    return None


def told(containers: Containers | None) -> str:
    """What this executor's resource says about it: `none`, or the engine."""
    return "none" if containers is None else str(containers.engine)
