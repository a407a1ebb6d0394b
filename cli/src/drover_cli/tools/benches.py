"""`./drover bench`: the scripts of `bench/`, each on servers of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def names(root: Path) -> list[str]:
    """What can be measured."""
    return sorted(path.stem for path in (root / "bench").glob("*.py"))


def run(root: Path, name: str, arguments: Sequence[str]) -> int:
    """Run one of `names`; returns its exit status. Variables that speak of a running stack are kept away."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("DROVER_")}
    script = root / "bench" / f"{name}.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=root, env=env, check=False
    ).returncode
