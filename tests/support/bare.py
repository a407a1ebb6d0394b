"""What `ansible-playbook` itself makes of the same inputs, to hold a job's output against."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from drover_shared.domain.events import HostCounts

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_RECAP = re.compile(r"^(\S+)\s+: (ok=.*)$")
_VARYING = [  # durations, moments, and the random name of the run's own folder
    (re.compile(rb'"(delta|start|end)": "[^"]*"'), rb'"\1": "-"'),
    (re.compile(rb"/\S*/executor/runs/[0-9a-f-]{36}/project"), b"PROJECT"),
    (re.compile(rb"/drover-demo-\w+"), rb"/drover-demo-X"),
    (re.compile(rb"ansible-tmp-[0-9.-]+"), rb"ansible-tmp-X"),
]


@dataclass(frozen=True)
class BareRun:
    """Exit status, everything printed (bytes), and the recap a host."""

    exit_code: int
    output: bytes
    recap: dict[str, HostCounts]


def recap_of(output: bytes) -> dict[str, HostCounts]:
    """The counts in Ansible's PLAY RECAP."""
    recap = {}
    for line in _ANSI.sub("", output.decode()).splitlines():
        match = _RECAP.match(line)
        if match:
            counts = dict(word.split("=") for word in match[2].split())
            recap[match[1]] = HostCounts(**{name: int(count) for name, count in counts.items()})
    return recap


def run_bare(project: Path, playbook: str, inventory: Path, *arguments: str) -> BareRun:
    """Run `ansible-playbook` with colour, as a job runs it."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), playbook, *arguments],
        cwd=project,
        env={**os.environ, "ANSIBLE_FORCE_COLOR": "1", "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return BareRun(done.returncode, done.stdout, recap_of(done.stdout))


def without_varying(output: bytes, project: Path) -> bytes:
    """The output with what differs from run to run made equal; `project` is where a bare run read."""
    output = output.replace(str(project).encode(), b"PROJECT")
    for pattern, replacement in _VARYING:
        output = pattern.sub(replacement, output)
    return output
