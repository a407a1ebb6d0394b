"""The disk that holds what playbooks put out until it is stored elsewhere."""

import os
from pathlib import Path

from drover_shared.settings import SettingsError


class Disk:
    """The disk of `folder`, of which output must leave `reserve_bytes` free."""

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        self._folder, self.reserve_bytes = folder, reserve_bytes

    @property
    def room_bytes(self) -> int:
        """What output may still take; negative where the reserve itself is used."""
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize - self.reserve_bytes

    def has_room(self) -> bool:
        return self.room_bytes >= 0

    def check(self) -> None:
        """Raises SettingsError for a reserve that the disk could never leave free."""
        found = os.statvfs(self._folder)
        total = found.f_blocks * found.f_frsize
        if total <= self.reserve_bytes:
            wanted = f"{self.reserve_bytes // 2**20} MiB of DROVER_EXECUTOR_DIR's disk free"
            raise SettingsError(
                f"DROVER_EXECUTOR_RESERVE_MIB: {wanted} is more than all of its {total // 2**20}"
            )
