"""Playbooks nobody here wrote end as bare `ansible-playbook` ends them: same exit status, same recap.

Over ssh to a real sshd where the target brings no inventory, and local where its own says so.
"""

import getpass
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drover_shared.domain.events import HostCounts, counts_of_stats
from support.bare import recap_of
from support.executor import commit, manifest
from support.fake_api import FakeApi, FakeRun
from support.sshd import PASSPHRASE, SSHD, Sshd

from .conftest import StartExecutor
from .playbooks import RUNS, Foreign, fetch, make_project_of

pytestmark = pytest.mark.skipif(SSHD is None, reason="there is no sshd on this machine")
_HOST = "{name} ansible_host=127.0.0.1 ansible_port={port} ansible_python_interpreter={python}\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    targets = fetch(tmp_path_factory.mktemp("ansible-core"))
    project = tmp_path_factory.mktemp("foreign") / "project"
    project.mkdir()
    make_project_of(targets, project)
    commit(project)
    return project


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("ssh") / "sshd") as server:
        yield server


def _inventory(run: Foreign, sshd: Sshd) -> dict[str, Any]:
    if run.inventory:
        return {"mode": "scm", "content": None, "path": f"books/{run.target}/{run.inventory}"}
    names = ("testhost", "testhost2", "testhost3")
    lines = [_HOST.format(name=name, port=sshd.port, python=sys.executable) for name in names]
    return {"mode": "inline", "content": "".join(lines), "path": None}


def _bare(run: Foreign, project: Path, sshd: Sshd, folder: Path) -> tuple[int, dict[str, HostCounts]]:
    hosts: Path | str = f"books/{run.target}/{run.inventory}"
    if not run.inventory:
        hosts = folder / "hosts"
        hosts.write_text(str(_inventory(run, sshd)["content"]))
    command = [
        "ansible-playbook",
        "-i",
        str(hosts),
        f"--user={getpass.getuser()}",
        f"--private-key={sshd.plain}",
    ]
    command += [f"-e{name}={value}" for name, value in run.variables.items()]
    command += [f"--tags={','.join(run.tags)}"] if run.tags else []
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/root"),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_HOST_KEY_CHECKING": "0",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp"),
    }
    done = subprocess.run(
        [*command, run.path], cwd=project, env=env, check=False, capture_output=True, timeout=900
    )
    return done.returncode, recap_of(done.stdout)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_the_same_recap(
    api: FakeApi, start_executor: StartExecutor, project: Path, sshd: Sshd, tmp_path: Path, run: Foreign
) -> None:
    inputs = {
        "username": getpass.getuser(),
        "ssh_key_data": sshd.key.read_text(),
        "ssh_key_unlock": PASSPHRASE,
    }
    changes = {
        "inventory": _inventory(run, sshd),
        "playbook": {"type": "scm", "project_id": 9, "playbook_path": run.path},
        "extra_vars": dict(run.variables),
        "tags": list(run.tags),
        "credentials": [{"id": 5, "type": "machine", "name": "k"}],
    }
    job = FakeRun(manifest(project, **changes), credentials={5: {"type": "machine", "inputs": inputs}})
    executor = start_executor(DROVER_EXECUTOR_LOCAL_ROOTS=str(project))  # all tests share it
    end = api.wait_end(executor.launch(job), 900)
    status, recap = _bare(run, project, sshd, tmp_path)
    assert end["exit_code"] == status, job.log.decode()[-3000:]
    stats = job.of_type("STATS")
    counts = counts_of_stats(stats[0]["data"]) if stats else {}
    assert counts == recap
    assert recap_of(job.log) == recap
    how = "its inventory's" if run.inventory else "ssh"
    print(f"| `{run.name}` | {how} | {status} | {_summed(recap)} |")  # noqa: T201 - for the documentation


def _summed(recap: dict[str, HostCounts]) -> str:
    """One line of the table in the documentation."""
    names = ("ok", "changed", "failed", "unreachable", "skipped", "rescued", "ignored")
    totals = {name: sum(getattr(one, name) for one in recap.values()) for name in names}
    return f"{len(recap)} | " + ", ".join(f"{name}={total}" for name, total in totals.items() if total)
