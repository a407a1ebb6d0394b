"""How a playbook's command becomes a container's, for each engine; tests/isolation runs it."""

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from drover_executor.child.spec import ChildSpec
from drover_executor.containers.containers import Containers
from drover_executor.containers.engine import Engine
from drover_executor.containers.settings import DOCKER, PODMAN, ContainerSettings
from drover_executor.failures import RunFailedError
from drover_executor.running.workspace import Workspace

SECRET = 'it\'s a "secret"\nof two lines $HOME'


def _space(folder: Path) -> Workspace:
    space = Workspace(uuid4(), folder / "run", folder / "sockets")
    for path in (space.private, space.sockets):
        path.mkdir(parents=True)
    return space


def _spec(space: Workspace) -> ChildSpec:
    env = {"PATH": "/host/bin", "HOME": "/root", "TOKEN": SECRET, "LC_ALL": "C.UTF-8"}
    return ChildSpec(
        ["ansible-playbook", "site.yml"], str(space.project), env, [SECRET], str(space.private / "events"), 10
    )


@pytest.mark.parametrize("name", [PODMAN, DOCKER])
def test_no_secret_and_no_more_than_the_run(tmp_path: Path, name: str) -> None:
    space = _space(tmp_path)
    settings = ContainerSettings(network="none", cpus=1.5, pids=99, memory_mb=512)
    containers = Containers(Engine(name, f"/usr/bin/{name}", "1"), settings, tmp_path)
    spec = _spec(space)
    made = containers.wrap(spec, space, "ee:latest", [Path("/opt/callbacks")])
    line = "\n".join(made.command)
    assert "two lines" not in line
    assert "two lines" not in str(made.env)
    for option in ("--network=none", "--cpus=1.5", "--pids-limit=99", "--memory=512m", "--cap-drop=ALL"):
        assert option in made.command
    mounts = [word.removeprefix("--volume=") for word in made.command if word.startswith("--volume=")]
    assert mounts == [
        f"{space.private}:{space.private}:rw",
        f"{space.sockets}:{space.sockets}:rw",
        f"{space.project}:{space.project}:ro",
        "/opt/callbacks:/opt/callbacks:ro",
    ]
    assert made.command[-4:] == ["ee:latest", str(space.private / "start"), *spec.command]
    start = space.private / "start"
    assert start.stat().st_mode & 0o777 == 0o600
    assert "/host/bin" not in start.read_text()
    assert made.end_command[:3] == [f"/usr/bin/{name}", "rm", "--force"]
    assert ("--log-level=error" in made.command) is (name == PODMAN)


def test_a_name_that_no_shell_can_set(tmp_path: Path) -> None:
    space = _space(tmp_path)
    containers = Containers(Engine(PODMAN, "podman", "1"), ContainerSettings(), tmp_path)
    spec = replace(_spec(space), env={"a-b;reboot": "x"})
    with pytest.raises(RunFailedError, match="cannot be set in a container"):
        containers.wrap(spec, space, "ee:latest", [])
