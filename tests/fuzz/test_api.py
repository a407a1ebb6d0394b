"""A long fuzz of every operation: `./drover test tests/fuzz`.

FUZZ_SEED repeats one, FUZZ_EXAMPLES is how many cases an operation gets.
"""

import os
from pathlib import Path

from support.api_process import ApiProcess, Place, populate
from support.fuzz import fuzz
from support.servers import StackServers


def test_every_operation_keeps_to_its_document(stack_servers: StackServers, tmp_path: Path) -> None:
    place = Place.make(stack_servers)
    known = populate(place)
    arguments = ["--max-examples", os.environ.get("FUZZ_EXAMPLES", "100"), "--continue-on-failure"]
    if seed := os.environ.get("FUZZ_SEED"):
        arguments += ["--seed", seed]
    with ApiProcess(place, tmp_path / "api.log") as api:
        done = fuzz(api.url, known, tmp_path, *arguments, timeout=3600)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert "request_failed" not in api.log_text()
