"""What Drover adds to a playbook, against bare `ansible-playbook` on the same inputs, and takes at rest.

    python bench/cost.py [--pairs 5] [--hosts 10] [--tasks 20]

A bare run and a job alternate, on the same project, inventory and Ansible. A job's time goes from its launch
to its end, which one live reader waits for, so that everything counts: scheduling, checkout, callback,
recording. Beside it what each service had of the processors. Before that: how long the stack took to
be ready, and the memory its services hold at rest (PSS: shared pages counted once).
"""

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import yaml
from drover_executor.child.tree import descendants

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.bare import run_bare
from support.live import FINAL, LiveStack, created
from support.projects import World, local_hosts, make_repository

OWN = ("api", "scheduler", "event-ingest", "log-store", "executor")
SERVERS = ("postgres", "redis", "s3")
SHARED = (*OWN[:-1], *SERVERS)  # beside the executor, below which Ansible itself runs


def playbook(tasks: int) -> str:
    """Commands, files and messages in turn, as a role's tasks are."""
    kinds: list[dict[str, Any]] = [
        {"ansible.builtin.command": "true", "changed_when": False},
        {"ansible.builtin.debug": {"msg": "host {{ inventory_hostname }}"}},
        {"ansible.builtin.stat": {"path": "/etc/hosts"}},
    ]
    steps = [{"name": f"Step {number}", **kinds[number % len(kinds)]} for number in range(tasks)]
    return yaml.safe_dump([{"name": "Steps", "hosts": "all", "gather_facts": False, "tasks": steps}])


def bare(project: Path, inventory: Path) -> float:
    started = time.perf_counter()
    done = run_bare(project, "site.yml", inventory)
    if done.exit_code:
        raise SystemExit(done.output.decode(errors="replace"))
    return time.perf_counter() - started


def job(client: httpx.Client, template: int) -> tuple[float, float]:
    """Seconds from launch to end, and of those from the playbook's start."""
    started = time.perf_counter()
    job_id = created(client.post("/jobs", json={"job_template_id": template}))["id"]

    found = followed(client, job_id)
    whole = time.perf_counter() - started
    if found["status"] != "successful":
        raise SystemExit(f"the job ended as {found}")
    first, last = (_moment(found[name]) for name in ("started_at", "finished_at"))
    return whole, last - first


def followed(client: httpx.Client, job_id: int) -> dict[str, Any]:
    """The job as its end is told."""
    stream = {"Accept": "text/event-stream"}
    with client.stream("GET", f"/jobs/{job_id}", headers=stream) as answer:
        for line in answer.iter_lines():
            found: dict[str, Any] = json.loads(line[6:]) if line.startswith("data: ") else {}
            if found.get("status") in FINAL:
                return found
    raise SystemExit("the job was not told of to its end")


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def memory(stack: LiveStack) -> Iterator[tuple[str, float]]:
    """(service, MiB) of its processes."""
    for name in (*OWN, *SERVERS):
        top = stack.service(name).pid
        yield name, sum(pss(pid) for pid in [top, *descendants(top)]) / 2**20


def pss(pid: int) -> int:
    """Bytes, shared pages divided among those who share them."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def measure(stack: LiveStack, folder: Path, pairs: int, hosts: int, tasks: int) -> None:
    project, inventory = folder / "project", folder / "hosts"
    make_repository(project, {"site.yml": playbook(tasks)})
    inventory.write_text(local_hosts(*(f"web{number:02}" for number in range(hosts))))
    with stack.client() as client:
        world = World.make(client, "bench")
        template = world.template(
            "bench", str(project), "site.yml", world.inventory("bench", inventory.read_text())
        )
        job(client, template["id"])  # the first checkout, the first imports
        bare(project, inventory)
        ratios = []
        for _ in range(pairs):
            alone = bare(project, inventory)
            before = stack.cpu_seconds(SHARED)
            whole, playing = job(client, template["id"])
            used = {name: each - before[name] for name, each in stack.cpu_seconds(SHARED).items()}
            ratios.append(whole / alone)
            seconds = f"bare {alone:6.2f} s   job {whole:6.2f} s (playing {playing:.2f} s)"
            print(f"  {seconds}   {ratios[-1] - 1:+.1%}", flush=True)
            print(
                "    of the processors, s: " + ", ".join(f"{name} {each:.1f}" for name, each in used.items())
            )
    print(f"own cost, median of {pairs}: {statistics.median(ratios) - 1:+.1%} (target: at most 5%)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--tasks", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="drover-bench-") as home:
        stack = LiveStack(Path(home) / "home", {})
        started = time.perf_counter()
        stack.start()
        try:
            print(f"start to ready: {time.perf_counter() - started:.1f} s, load {os.getloadavg()[0]:.1f}")
            held = dict(memory(stack))
            print("  at rest, MiB: " + ", ".join(f"{name} {size:.0f}" for name, size in held.items()))
            own = sum(held[name] for name in OWN)
            print(f"Drover's services at rest: {own:.0f} MiB; with its servers {sum(held.values()):.0f} MiB")
            measure(stack, Path(home), options.pairs, options.hosts, options.tasks)
        finally:
            stack.stop()


if __name__ == "__main__":
    main()
