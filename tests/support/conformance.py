"""The kit for executors, for tests: what each of two executors breaks."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from drover_cli.conformance.played.stage import Stage
from drover_cli.conformance.suite import EXECUTOR_RULES, Result, try_rules
from drover_cli.paths import EXECUTOR_PYTHON

OURS = f"{EXECUTOR_PYTHON} -m drover_executor"
WRONG = f"{sys.executable} {Path(__file__).with_name('wrong_executor.py')}"
# What `wrong_executor` gets wrong, as its first lines say; without output there is none to judge.
WRONG_IN = {
    "E7",
    "E8",
    "E9",
    "P1",
    "P2",
    "P4",
    "P5",
    "P6",
    "P8",
    *(f"K{n}" for n in (1, 2, 3, 4, 5, 6, 7, 11, 12)),
}


def faults(command: str, *only: str, patience: float = 60) -> dict[str, str]:
    """The rules, of all or of those named, that an executor breaks, and how."""
    results: list[Result] = []
    with closing(Stage(command, patience)) as stage:
        try_rules(EXECUTOR_RULES, stage, only, results.append)
    assert len(results) == len(only or EXECUTOR_RULES)
    return {result.number: result.fault for result in results if result.fault}


def faults_at_once(command: str, *groups: Sequence[str], patience: float = 60) -> dict[str, str]:
    """The same, each group of rules on an executor of its own, all at once: most of it is waiting."""
    with ThreadPoolExecutor(len(groups)) as at_once:
        found = [at_once.submit(faults, command, *group, patience=patience) for group in groups]
        return {number: fault for one in found for number, fault in one.result().items()}
