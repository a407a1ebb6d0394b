"""Starts a composition in the order, and on the conditions, that its own file names.

podman-compose cannot do it with every podman: before 4.6 podman does not wait for health (and without systemd
never asks for it), and 4.3 refuses to start what requires a container that has done its work and ended.
usage: python -m deploy.start PROJECT COMPOSE-COMMAND…
"""

import graphlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import yaml

WAIT_SECONDS = 180.0  # a busy machine with few cores is slow, not broken
PAUSE_SECONDS = 0.5

Services = Mapping[str, Mapping[str, Any]]


def output(*command: str) -> str:
    """What it prints, on either stream where it is a container's log."""
    to_both = subprocess.STDOUT if command[1] == "logs" else subprocess.PIPE
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=to_both, text=True).stdout


def start_order(services: Services) -> Iterator[tuple[str, ...]]:
    """Groups of services, each after the groups it depends on. Raises graphlib.CycleError."""
    sorter = graphlib.TopologicalSorter({name: conditions(body).keys() for name, body in services.items()})
    sorter.prepare()
    while sorter.is_active():
        group = sorter.get_ready()
        yield group
        sorter.done(*group)


def conditions(service: Mapping[str, Any]) -> dict[str, str]:
    """What the service depends on, and on what condition."""
    return {needed: how["condition"] for needed, how in (service.get("depends_on") or {}).items()}


class Project:
    """The containers of one composition."""

    def __init__(self, name: str, compose: Sequence[str]) -> None:
        self.name = name
        self._compose = compose

    def services(self) -> Services:
        found: Services = yaml.safe_load(output(*self._compose, "config"))["services"]
        return found

    def containers(self, service: str) -> list[str]:
        labels = (f"io.podman.compose.project={self.name}", f"com.docker.compose.service={service}")
        filters = [word for label in labels for word in ("--filter", f"label={label}")]
        return output("podman", "ps", "--all", "--quiet", *filters).split()

    def start(self, services: Sequence[str]) -> None:
        """What runs already stays as it is."""
        self.compose("up", "--detach", "--no-deps", "--no-recreate", *services)

    def compose(self, *arguments: str) -> None:
        subprocess.run([*self._compose, *arguments], check=True, stdout=subprocess.DEVNULL)

    def stop(self, *services: str) -> None:
        """Each container of these gets its time to end, and is removed; its named volumes stay."""
        for service in services:
            for container in self.containers(service):
                output("podman", "stop", "--time", "30", container)
                output("podman", "rm", "--force", container)

    def kill(self, service: str, *, with_data: bool = False) -> None:
        """As if its machine were gone; `with_data`: and the volume that is named like it."""
        for container in self.containers(service):
            output("podman", "rm", "--force", "--time", "0", container)
        if with_data:
            output("podman", "volume", "rm", f"{self.name}_{service}")

    def ask(self, service: str, *command: str) -> str:
        """What a command in the service's first container prints."""
        return output("podman", "exec", f"{self.name}_{service}_1", *command)

    def wait(self, service: str, condition: str) -> None:
        """Return when every container of the service fulfils it; exits where one does not in time."""
        met: Callable[[str], bool] = {
            "service_started": is_running,
            "service_healthy": is_healthy,
            "service_completed_successfully": has_completed,
        }[condition]
        until = time.monotonic() + WAIT_SECONDS
        for container in self.containers(service):
            while not met(container):
                if time.monotonic() > until:
                    sys.exit(f"{service}: not {condition} within {WAIT_SECONDS:g} s")
                time.sleep(PAUSE_SECONDS)
        sys.stdout.write(f"   {service}: {condition}\n")
        sys.stdout.flush()


def is_running(container: str) -> bool:
    return output("podman", "inspect", "--format", "{{.State.Running}}", container).strip() == "true"


def is_healthy(container: str) -> bool:
    """What the container's own health check says, asked now."""
    asked = subprocess.run(["podman", "healthcheck", "run", container], capture_output=True, check=False)
    return asked.returncode == 0


def has_completed(container: str) -> bool:
    """Whether it ended well; one that ended otherwise may be tried again by its restart policy."""
    state = "{{.State.Status}} {{.State.ExitCode}}"
    return output("podman", "inspect", "--format", state, container).strip() == "exited 0"


def start_all(project: Project) -> None:
    """Everything, each when what it depends on fulfils its condition; returns when all is healthy."""
    services = project.services()
    for group in start_order(services):
        for needed, condition in sorted(
            {pair for one in group for pair in conditions(services[one]).items()}
        ):
            project.wait(needed, condition)
        project.start(group)
    for service, body in services.items():
        if "healthcheck" in body:
            project.wait(service, "service_healthy")


if __name__ == "__main__":
    start_all(Project(sys.argv[1], sys.argv[2:]))
