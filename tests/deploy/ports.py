"""Scans each of the composition's networks from inside, and holds what is open to what is meant to be.

usage: ports.py PROJECT
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

# What may be reached, a network; "git" is the proof's own.
MEANT = {
    "front": {"gateway 8080", "api 8080", "executor 8081", "git 9418"},
    "queue": {
        "api 8080",
        "redis 6379",
        "scheduler 8081",
        "event-ingest 8081",
        "log-store 8081",
        "executor 8081",
    },
    "data": {
        "api 8080",
        "postgres 5432",
        "minio 9000",
        "scheduler 8081",
        "event-ingest 8081",
        "log-store 8081",
    },
}
MAY = {"minio 9001"}  # MinIO's own console; the stand-in has none
SCAN = Path(__file__).with_name("scan.py")


def podman(*arguments: str, text: str | None = None) -> str:
    return subprocess.run(
        ["podman", *arguments], check=True, input=text, stdout=subprocess.PIPE, text=True
    ).stdout


def containers(project: str) -> list[dict[str, Any]]:
    found = podman("ps", "--quiet", "--filter", f"label=io.podman.compose.project={project}").split()
    inspected: list[dict[str, Any]] = json.loads(podman("inspect", *found))
    return inspected


def main(project: str) -> None:
    running = containers(project)
    for network, meant in MEANT.items():
        full = f"{project}_{network}"
        places: dict[str, str] = {}
        for one in running:  # replicas are alike: one of each is enough
            joined = one["NetworkSettings"]["Networks"].get(full)
            if joined:
                service = one["Config"]["Labels"]["com.docker.compose.service"]
                places.setdefault(service, f"{service}={joined['IPAddress']}")
        scan = ["run", "--rm", "--interactive", "--network", full, "localhost/drover-base", "python3", "-"]
        found = set(podman(*scan, *places.values(), text=SCAN.read_text()).splitlines())
        sys.stdout.write(f"   {network}: {', '.join(sorted(found))}\n")
        if found - MAY != meant:
            sys.exit(f"{network}: unexpected {sorted(found - MAY - meant)}, missing {sorted(meant - found)}")
    published = {
        f"{bound['HostIp']}:{bound['HostPort']}"
        for one in running
        for bindings in (one["HostConfig"]["PortBindings"] or {}).values()
        for bound in bindings
    }
    if len(published) != 1 or not next(iter(published)).startswith("127.0.0.1:"):
        sys.exit(f"published: {published}")
    sys.stdout.write(f"   published: {', '.join(published)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
