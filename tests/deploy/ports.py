"""Scans each of the composition's networks from inside, and holds what is open to what is meant to be.

Every TCP port of every container is tried (by nmap, in a container that joins the network), and what is
bound for UDP is read from the kernel's tables. usage: python -m deploy.ports PROJECT
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

# What may be reached, a network; "git" is the proof's own.
MEANT = {
    "front": {"gateway 8080", "gateway 8443", "api 8080", "executor 8081", "git 9418"},
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
PUBLISHED = ("HTTP", "HTTPS")  # the gateway's, here on this machine's own address
MAY = {"minio 9001"}  # MinIO's own console; the stand-in has none
SCANNER = "localhost/drover-stand-in-scanner"
# A closed port on the same machine answers at once; one that is dropped is asked for again.
SCAN = ("-Pn", "-n", "-sT", "-p", "1-65535", "-T5", "--max-retries", "2", "-oG", "-")
# A row of /proc/net/udp whose far side is nobody's: who asks a name server takes answers from there alone.
LOCAL = re.compile(r"^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) 0+:0000 ", re.MULTILINE)
LOOPBACK = ("0100007F", "0B00007F", "00000000000000000000000001000000")  # 127.0.0.1, 127.0.0.11, ::1


def podman(*arguments: str) -> str:
    return subprocess.run(["podman", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def containers(project: str) -> list[dict[str, Any]]:
    found = podman("ps", "--quiet", "--filter", f"label=io.podman.compose.project={project}").split()
    inspected: list[dict[str, Any]] = json.loads(podman("inspect", *found))
    return inspected


def addresses(running: list[dict[str, Any]], network: str) -> dict[str, str]:
    """The service at each address of the network."""
    return {
        one["NetworkSettings"]["Networks"][network]["IPAddress"]: service_of(one)
        for one in running
        if network in one["NetworkSettings"]["Networks"]
    }


def service_of(container: dict[str, Any]) -> str:
    name: str = container["Config"]["Labels"]["com.docker.compose.service"]
    return name


def open_ports(network: str, services: dict[str, str]) -> set[str]:
    """`service port` of whatever accepts a connection from inside the network."""
    told = podman("run", "--rm", "--network", network, SCANNER, *SCAN, *services)
    found = set()
    scanned = set()
    for address, ports in re.findall(r"^Host: (\S+) .*?Ports: (.*?)(?:\t|$)", told, re.MULTILINE):
        scanned.add(address)
        found |= {f"{services[address]} {port}" for port in re.findall(r"(\d+)/open/", ports)}
    if scanned != services.keys():
        sys.exit(f"{network}: not scanned: {services.keys() - scanned}\n{told}")
    return found


def bound_for_udp(running: list[dict[str, Any]]) -> set[str]:
    """`service port` of whatever a container would take datagrams at, on more than its own loopback."""
    found = set()
    for one in running:
        for table in ("udp", "udp6"):
            rows = Path(f"/proc/{one['State']['Pid']}/net/{table}").read_text()
            found |= {
                f"{service_of(one)} {int(port, 16)}"
                for address, port in LOCAL.findall(rows)
                if address not in LOOPBACK
            }
    return found


def main(project: str) -> None:
    running = containers(project)
    for name, meant in MEANT.items():
        network = f"{project}_{name}"
        found = open_ports(network, addresses(running, network))
        sys.stdout.write(f"   {name}: {', '.join(sorted(found))}\n")
        if found - MAY != meant:
            sys.exit(f"{name}: unexpected {sorted(found - MAY - meant)}, missing {sorted(meant - found)}")
    if datagrams := bound_for_udp(running):
        sys.exit(f"bound for UDP: {sorted(datagrams)}")
    published = {
        f"{bound['HostIp']}:{bound['HostPort']}"
        for one in running
        for bindings in (one["HostConfig"]["PortBindings"] or {}).values()
        for bound in bindings
    }
    if len(published) != len(PUBLISHED) or not all(one.startswith("127.0.0.1:") for one in published):
        sys.exit(f"published: {published}")
    sys.stdout.write(f"   published: {', '.join(published)}; nothing for UDP\n")


if __name__ == "__main__":
    main(sys.argv[1])
