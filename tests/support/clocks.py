"""Wrong clocks for real processes: a small library is preloaded, compiled where there is a C compiler."""

import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("wrong_clock.c")
COMPILER = shutil.which("cc") or shutil.which("gcc") or ""


class Clocks:
    """Files and library lie in `folder`. Without a compiler every clock is right: `can_be_wrong` says so."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._library = folder / "wrong_clock.so"
        self.can_be_wrong = bool(COMPILER)
        if self.can_be_wrong:
            command = [COMPILER, "-O2", "-shared", "-fPIC", "-o", str(self._library), str(SOURCE), "-lm"]
            subprocess.run(command, check=True, capture_output=True)

    def set(self, name: str, seconds: float) -> None:
        """From now on the time of day of process `name` is wrong by `seconds`, also while it runs."""
        file = self._file(name)
        with file.open("r+b" if file.exists() else "w+b") as page:
            page.write(struct.pack("d", seconds))

    def variables(self, name: str) -> dict[str, str]:
        """The environment in which a process has the clock `name`."""
        if not self.can_be_wrong:
            return {}
        if not self._file(name).exists():
            self.set(name, 0.0)
        return {"LD_PRELOAD": str(self._library), "WRONG_CLOCK": str(self._file(name))}

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.clock"
