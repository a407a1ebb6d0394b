"""What a worker's /livez names, and what docs/operations/metrics.md says that it names."""

import random
import re
from pathlib import Path

import httpx
from drover_cli.local.ports import choose_port

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations" / "metrics.md"


def free_port() -> int:
    """One that was free a moment ago."""
    return choose_port(None, set(), random.SystemRandom())


def loops(port: int) -> dict[str, str]:
    """Each loop's verdict, of a worker that answers there."""
    found: dict[str, str] = httpx.get(f"http://127.0.0.1:{port}/livez", timeout=30).json()["checks"]
    return found


def documented(service: str) -> set[str]:
    """The loops that the page names for the service."""
    row = next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| {service} | `"))
    return set(re.findall(r"`(\w+)`", row.split("|")[2]))
