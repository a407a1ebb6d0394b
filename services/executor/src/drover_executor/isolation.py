"""Says that playbooks are not kept apart from this machine, and refuses where that is not enough."""

from drover_shared.logging import get_logger
from drover_shared.settings import SettingsError

from drover_executor.settings import NO_ISOLATION

_log = get_logger("drover.executor.isolation")


def check_isolation(wanted: str) -> None:
    """Raises SettingsError where playbooks are to be kept apart from this machine."""
    if wanted != NO_ISOLATION:
        raise SettingsError(
            f"DROVER_EXECUTOR_ISOLATION={wanted}: this release does not run playbooks in containers of their "
            "own, so it does not start; leave it at none, and let only trusted people write playbooks"
        )
    _log.warning(
        "playbooks_run_unisolated",
        detail="They have this process's user, files and network: let only trusted people write them.",
    )
