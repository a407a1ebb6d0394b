"""A storm of a chosen length: jobs on a whole stack while its parts are killed, frozen and robbed.

    ./drover chaos [--minutes 10] [--seed 1] [--jobs-a-minute 20]

Ends with status 1, and keeps the stack's folder, when anything was lost, doubled, or contradicts itself.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.audit import audit, processes_of
from support.chaos import SETTINGS, Chaos
from support.live import LiveStack


def storm(folder: Path, seed: int, minutes: float, jobs: int) -> None:
    """Raises AssertionError with what was found."""
    stack = LiveStack(folder / "home", SETTINGS)
    stack.start()
    try:
        chaos = Chaos(stack, seed, folder / "diary")
        chaos.prepare(folder / "project")
        begun = time.monotonic()
        chaos.run(jobs, lambda: (time.monotonic() - begun) / (minutes * 60))
        counts = audit(chaos, 300 + jobs * 10)
    finally:
        stack.stop()
    left = processes_of(stack.home.folder)
    assert not left, left
    sys.stdout.write(
        f"seed {seed}: {jobs} jobs, {chaos.faults} faults, {counts}, nothing lost, nothing double\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="left out: another each time")
    parser.add_argument("--jobs-a-minute", type=int, default=20)
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    sys.stdout.write(f"seed {seed}\n")
    folder = Path(tempfile.mkdtemp(prefix="drover-chaos-"))
    try:
        storm(folder, seed, options.minutes, max(1, round(options.minutes * options.jobs_a_minute)))
    except AssertionError as error:
        sys.stderr.write(f"{error}\nkept for a look: {folder}\n")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
