"""Executors that run playbooks in containers: a real podman, and an image built here.

Not in the default run: it takes root, podman and a minute or two. `./drover test tests/isolation`
With DROVER_TEST_ENGINE=docker (and DOCKER_HOST) the executors use docker, for which podman builds the image.
"""

import os
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from support.executor import ExecutorProcess
from support.executor_fixtures import StartExecutor, api, start_executor

__all__ = ["StartExecutor", "api", "start_executor"]

ENGINE = os.environ.get("DROVER_TEST_ENGINE", "podman")
BASE, IMAGE = "localhost/drover-base", "localhost/drover-test-ee"
# Limits that every kernel and container host grants, whatever the machine's own are.
_CONTAINERS_CONF = """
[engine]
runtime = "{runtime}"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
"""
_RECIPE = f"""
FROM {BASE}
RUN python3 -m venv /opt/ee && /opt/ee/bin/pip install --no-cache-dir -q ansible-core=={{version}}
ENV PATH=/opt/ee/bin:/usr/bin:/bin
"""
_MAKE_BASE = Path(__file__).parents[1] / "deploy/base.sh"


def podman(*arguments: str, seconds: float = 60) -> str:
    return _run("podman", *arguments, seconds=seconds)


def engine_of_executors(*arguments: str) -> str:
    """A command of the engine under test."""
    return _run(ENGINE, *arguments)


def _run(*command: str, seconds: float = 60) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings that podman needs on any machine, as environment variables."""
    if shutil.which("podman") is None or os.geteuid() != 0:
        pytest.skip("these tests need root and podman (apt-get install podman runc debootstrap)")
    conf = tmp_path_factory.mktemp("engine") / "containers.conf"
    runtime = "crun" if shutil.which("crun") else "runc"
    conf.write_text(_CONTAINERS_CONF.format(runtime=runtime))
    os.environ["CONTAINERS_CONF"] = str(conf)
    docker_host = {"DOCKER_HOST": os.environ["DOCKER_HOST"]} if "DOCKER_HOST" in os.environ else {}
    return {"CONTAINERS_CONF": str(conf), "DROVER_EXECUTOR_ENGINE": ENGINE, **docker_host}


@pytest.fixture(scope="session")
def image(engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """An execution environment that holds Ansible and nothing of ours."""
    del engine
    folder = tmp_path_factory.mktemp("image")
    subprocess.run(["sh", _MAKE_BASE, BASE, folder / "base"], check=True, timeout=600)
    recipe = folder / "Recipe"
    recipe.write_text(_RECIPE.format(version=version("ansible-core")))
    podman("build", "-q", "-t", IMAGE, "-f", str(recipe), str(folder), seconds=600)
    if ENGINE != "podman":
        podman("save", "-q", "-o", str(folder / "image.tar"), IMAGE, seconds=300)
        engine_of_executors("load", "--quiet", "--input", str(folder / "image.tar"))
    return IMAGE


@pytest.fixture
def start_isolated(start_executor: StartExecutor, engine: dict[str, str]) -> StartExecutor:
    """Executors that use containers or refuse, none of them on a network."""
    always = {"DROVER_EXECUTOR_ISOLATION": "require", "DROVER_EXECUTOR_NETWORK": "none", **engine}

    def start(*, http: bool = False, **settings: str) -> ExecutorProcess:
        return start_executor(http=http, **{**always, **settings})

    return start
