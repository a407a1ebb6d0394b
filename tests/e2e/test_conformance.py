"""Our own API, as a whole stack of real processes, keeps the executor protocol."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

from drover_cli.conformance.suite import RULES
from support.live import LiveStack

WAITS_FOR_A_LEASE = ["L1"]


def test_the_api_keeps_every_rule(stack: LiveStack) -> None:
    """The others are tried while one waits: each command makes a pool of its own."""
    others = [number for number in RULES if number not in WAITS_FOR_A_LEASE]

    def tried(numbers: list[str]) -> "subprocess.CompletedProcess[str]":
        return stack.command("conformance", *(f"--rule={number}" for number in numbers))

    with ThreadPoolExecutor(2) as at_once:
        for numbers, done in zip(
            (WAITS_FOR_A_LEASE, others), at_once.map(tried, (WAITS_FOR_A_LEASE, others)), strict=True
        ):
            assert done.returncode == 0, done.stdout + done.stderr
            assert f"{len(numbers)} of {len(numbers)} rules hold" in done.stdout
