"""What is too large for the default run: a hundred megabytes on one line, beside a neighbour."""

import re
from pathlib import Path

from support.executor import make_project, manifest, remaining
from support.fake_api import FakeApi, FakeRun

from .conftest import StartExecutor

LINE_BYTES = 100_000_000
SITE = f"""
- hosts: web01
  gather_facts: false
  tasks:
    - {{name: Line, ansible.builtin.shell: "head -c {LINE_BYTES} /dev/zero | tr '\\\\0' x"}}
"""
NEIGHBOUR = "- hosts: web01\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug: {msg: hello}\n"


def test_a_hundred_megabytes_on_one_line(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    """All of it is in the log, cut in its event; the neighbour ends meanwhile; the executor stays small."""
    api.lease_seconds = 60.0
    executor = start_executor()
    run = executor.launch(FakeRun(manifest(make_project(tmp_path / "long", {"site.yml": SITE}), verbosity=1)))
    api.wait(lambda: bool(run.of_type("TASK_STARTED")))
    beside = executor.launch(FakeRun(manifest(make_project(tmp_path / "beside", {"site.yml": NEIGHBOUR}))))
    assert api.wait_end(beside)["state"] == "successful"
    end = api.wait_end(run, 300)
    assert end["state"] == "successful", run.log[-2000:]
    assert max(map(len, re.findall(rb"x+", run.log))) == LINE_BYTES
    (line,) = run.of_type("TASK_OK")
    assert line["data"]["truncated"] is True
    assert len(str(line)) < 300_000
    assert sorted(run.chunks) == list(range(end["log_chunks"]))
    assert remaining(run) == []
    assert executor.process is not None
    status = Path(f"/proc/{executor.process.pid}/status").read_text()
    most = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert most is not None
    assert int(most[1]) * 1024 < 3 * LINE_BYTES
