"""`./drover chaos`: jobs on a stack of its own while its parts are killed, frozen and robbed."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def storm(root: Path, arguments: Sequence[str]) -> int:
    """Run one; returns its exit status. Variables that speak of a running stack are kept away."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("DROVER_")}
    script = str(root / "tests" / "chaos" / "run.py")
    return subprocess.run([sys.executable, script, *arguments], cwd=root, env=env, check=False).returncode
