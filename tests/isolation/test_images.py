"""Images come as `pull` says, from a real registry that asks for a password."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.executor import make_project, manifest, remaining
from support.fake_api import FakeApi, FakeRun, wait_until

from .conftest import ENGINE, StartExecutor, engine_of_executors, podman

PASSWORD = "registry-pass w0rd"
HASHED = "$2b$05$YmA/n42rBG1avvRqoGx5EeUQQAlyw7lvx0HcnQKtsHp4NCnDT4yP6"
SITE = "- hosts: all\n  gather_facts: false\n"


class Registry:
    """Debian's docker-registry on a free port, with one user; `image` is in it, and has no Ansible."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.image = f"{self.address}/empty:latest"
        subprocess.run(["apt-get", "download", "-q", "docker-registry"], cwd=folder, check=True, timeout=120)
        package = next(folder.glob("docker-registry*.deb"))
        subprocess.run(["dpkg", "-x", package, folder], check=True, timeout=60)
        (folder / "users").write_text(f"drover:{HASHED}\n")
        (folder / "config.yml").write_text(
            f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '{self.address}'}}\n"
            f"storage: {{filesystem: {{rootdirectory: '{folder / 'images'}'}}}}\n"
            f"auth: {{htpasswd: {{realm: test, path: '{folder / 'users'}'}}}}\n"
        )
        self.process = subprocess.Popen(
            [folder / "usr/bin/docker-registry", "serve", folder / "config.yml"], stderr=subprocess.DEVNULL
        )
        wait_until(self._answers)
        (folder / "Recipe").write_text("FROM scratch\nCOPY users /nothing\n")
        podman("build", "-q", "-t", self.image, "-f", str(folder / "Recipe"), str(folder))
        podman("push", "-q", "--tls-verify=false", f"--creds=drover:{PASSWORD}", self.image)

    def _answers(self) -> bool:
        host, port = self.address.split(":")
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) == 0


@pytest.fixture(scope="module")
def registry(engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    del engine
    if shutil.which("apt-get") is None:
        pytest.skip("the registry is Debian's package")
    registry = Registry(tmp_path_factory.mktemp("registry"))
    yield registry
    registry.process.kill()
    registry.process.wait()
    for program in {"podman", ENGINE}:
        subprocess.run([program, "rmi", "--force", registry.image], check=False, capture_output=True)


def _run(project: Path, registry: Registry, pull: str, password: str | None) -> FakeRun:
    inputs = {"host": registry.address, "username": "drover", "password": password, "verify_ssl": False}
    if password is None:
        inputs = {"verify_ssl": False}
    changes = {
        "execution_environment": {"id": 1, "image": registry.image},
        "execution_environment_pull": pull,
        "execution_environment_credential_id": 8,
    }
    return FakeRun(manifest(project, **changes), credentials={8: {"type": "registry", "inputs": inputs}})


def _is_here(image: str) -> bool:
    command = [ENGINE, "image", "inspect", image]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_pull_and_credential(
    api: FakeApi, start_isolated: StartExecutor, registry: Registry, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    executor = start_isolated()
    engine_of_executors("rmi", "--force", registry.image)

    def detail(pull: str, password: str | None) -> str:
        run = executor.launch(_run(project, registry, pull, password))
        end = api.wait_end(run)
        assert (end["state"], end["error_reason"]) == ("failed", "execution_environment_error")
        assert remaining(run) == []
        return str(end["error_detail"])

    assert "is never pulled" in detail("never", PASSWORD)
    assert "could not be pulled" in detail("missing", None)
    assert "could not be pulled" in detail("missing", "wrong-password")
    assert not _is_here(registry.image)
    assert "/bin/sh" in detail("missing", PASSWORD)  # it is here, and there is nothing in it
    assert _is_here(registry.image)
    assert "/bin/sh" in detail("missing", None)
    assert "/bin/sh" in detail("never", None)
    assert "could not be pulled" in detail("always", "wrong-password")
    assert "/bin/sh" in detail("always", PASSWORD)
    for path in (path for path in executor.folder.rglob("*") if path.is_file()):
        assert PASSWORD.encode() not in path.read_bytes()


def test_no_engine(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    """Where there is none, `require` does not start, and `container` says that nothing is kept apart."""
    nowhere = str(tmp_path / "bin")
    (tmp_path / "bin").mkdir()
    for tool in ("git", "ssh"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or tool)
    refusing = start_executor(PATH=nowhere, DROVER_EXECUTOR_ISOLATION="require")
    assert refusing.process is not None
    assert refusing.process.wait(30) != 0
    assert "neither podman nor docker works here" in refusing.log
    executor = start_executor(PATH=nowhere, DROVER_EXECUTOR_ISOLATION="container")
    api.wait(lambda: bool(api.registrations))
    assert api.registrations[0]["isolation"] == "none"
    assert "playbooks_run_unisolated" in executor.log


def test_a_job_without_an_image(
    api: FakeApi, start_isolated: StartExecutor, image: str, tmp_path: Path
) -> None:
    """It is refused, or runs in the operator's own choice; never outside of a container."""
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    nameless = {"execution_environment": {"id": None, "image": None}}
    executor = start_isolated()
    end = api.wait_end(executor.launch(FakeRun(manifest(project, **nameless))))
    assert end["error_reason"] == "execution_environment_error"
    assert "DROVER_EXECUTOR_IMAGE" in end["error_detail"]
    executor.stop()
    run = start_isolated(DROVER_EXECUTOR_IMAGE=image).launch(FakeRun(manifest(project, **nameless)))
    assert api.wait_end(run)["state"] == "successful"
    assert run.of_type("JOB_STARTED")
