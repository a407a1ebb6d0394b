"""Starts a composition in the order, and on the conditions, that its own file names.

podman-compose cannot do it with every podman: before 4.6 podman does not wait for health (and without systemd
never asks for it), and 4.3 refuses to start what requires a container that has done its work and ended.
usage: start.py PROJECT COMPOSE-COMMAND…
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
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


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
        self._name = name
        self._compose = compose

    def services(self) -> Services:
        found: Services = yaml.safe_load(output(*self._compose, "config"))["services"]
        return found

    def containers(self, service: str) -> list[str]:
        labels = (f"io.podman.compose.project={self._name}", f"com.docker.compose.service={service}")
        filters = [word for label in labels for word in ("--filter", f"label={label}")]
        return output("podman", "ps", "--all", "--quiet", *filters).split()

    def start(self, services: Sequence[str]) -> None:
        command = [*self._compose, "up", "--detach", "--no-deps", *services]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

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


def main(name: str, compose: Sequence[str]) -> None:
    project = Project(name, compose)
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
    main(sys.argv[1], sys.argv[2:])
