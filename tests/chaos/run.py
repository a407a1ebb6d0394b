"""A storm of a chosen length: jobs on a fleet while its parts are killed, frozen, cut off, robbed and misled.

    ./drover chaos [--minutes 10] [--seed 1] [--jobs 200] [--replicas 2]
    ./drover chaos --absence 2   # instead: each part in turn away for 2 minutes while one playbook runs

Every job is a real playbook. Ends with status 1, and keeps the folder, when anything was lost, doubled,
or contradicts itself.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.audit import audit, processes_of
from support.chaos import CONTROL_PLANE, SETTINGS, Chaos, outlive
from support.clocks import COMPILER
from support.diary import HOSTS
from support.fleet import Fleet


def storm(folder: Path, seed: int, minutes: float, jobs: int, replicas: int) -> None:
    """Raises AssertionError with what was found."""
    fleet = Fleet(folder / "fleet", SETTINGS, replicas)
    try:
        fleet.start()
        chaos = Chaos(fleet, seed, folder / "diary", tell)
        chaos.prepare(folder / "project")
        begun = time.monotonic()
        chaos.run(jobs, lambda: (time.monotonic() - begun) / (minutes * 60))
        tell("all is whole again")
        counts = audit(chaos, 300 + jobs * 10)
    finally:
        fleet.stop()
    left = processes_of(fleet.folder)
    assert not left, left
    took = (time.monotonic() - begun) / 60
    tell(f"seed {seed}: {jobs} jobs, {chaos.count} faults {chaos.faults}, {took:.0f} minutes")
    tell(f"ends {counts}; nothing lost, nothing double, no attempts overlapped")


def absence(folder: Path, seconds: float) -> None:
    """One playbook, by the settings that Drover has by itself. Raises AssertionError."""
    fleet = Fleet(folder / "fleet", {})
    try:
        fleet.start()
        chaos = Chaos(fleet, 0, folder / "diary", tell)
        chaos.prepare(folder / "project")
        pause = 5
        steps = int(seconds * (len(CONTROL_PLANE) + 1) / pause * 1.25) + 12
        chaos.launch(extra_vars={"steps": steps, "pause": pause})
        outlive(chaos, seconds)
        counts = audit(chaos, steps * (pause + 1) + 300)
        assert counts == {"successful": 1, "lost attempts": 0}, counts
    finally:
        fleet.stop()
    left = processes_of(fleet.folder)
    assert not left, left
    tell(f"{steps} steps on {len(HOSTS)} hosts, one attempt, nothing lost, nothing double")


def tell(what: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {what}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="left out: another each time")
    parser.add_argument("--jobs", type=int, default=None, help="left out: 20 a minute")
    parser.add_argument("--replicas", type=int, default=2, help="of each service but the API")
    parser.add_argument("--absence", type=float, default=None, help="minutes that each part is away")
    options = parser.parse_args()
    if options.absence is not None:
        return kept(lambda folder: absence(folder, options.absence * 60))
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    jobs = max(1, round(options.minutes * 20)) if options.jobs is None else options.jobs
    wrong = "" if COMPILER else "; every clock is right, for there is no C compiler"
    tell(f"seed {seed}, {jobs} jobs in {options.minutes:g} minutes{wrong}")
    return kept(lambda folder: storm(folder, seed, options.minutes, jobs, options.replicas))


def kept(work: Callable[[Path], None]) -> int:
    """Do it in a folder of its own, which stays where something was found; returns the exit status."""
    folder = Path(tempfile.mkdtemp(prefix="drover-chaos-"))
    folder.chmod(0o755)  # the database's user reads its clock in it
    try:
        work(folder)
    except AssertionError as error:
        sys.stderr.write(f"{error}\nkept for a look: {folder}\n")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
