"""Pins every dependency with hashes: one file for development, and one for each service's image."""

import os
import subprocess
import sys
from pathlib import Path

OURS = ("api", "cli", "event-ingest", "executor", "log-store", "scheduler", "shared")
MAIN = "requirements.lock"
SERVICES = {
    "api": "deploy/requirements/api.lock",
    "event-ingest": "deploy/requirements/event-ingest.lock",
    "executor": "services/executor/requirements.lock",
    "log-store": "deploy/requirements/log-store.lock",
    "scheduler": "deploy/requirements/scheduler.lock",
}


def compile_lock(root: Path, source: str, target: str, *options: str, upgrade: bool) -> None:
    """Resolve `source` into `target`. No index address gets into the file.

    Raises subprocess.CalledProcessError; uv has said why on stderr.
    """
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", source, "-o", target, "--quiet"]
    command += ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate"]
    command += ["--no-emit-index-url", "--no-emit-find-links", *options]
    for name in OURS:
        command += ["--no-emit-package", f"drover-{name}"]
    if upgrade:
        command.append("--upgrade")
    env = {**os.environ, "UV_CUSTOM_COMPILE_COMMAND": "./drover lock"}
    subprocess.run(command, cwd=root, env=env, check=True)


def compile_all(root: Path, *, upgrade: bool) -> list[str]:
    """Write every lock file, the services' within the main one's versions; returns their paths.

    Versions that still fit stay as they are unless `upgrade`.
    """
    compile_lock(root, "pyproject.toml", MAIN, "--group", "dev", "--all-extras", upgrade=upgrade)
    for service, target in SERVICES.items():
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        source = f"services/{service}/pyproject.toml"
        compile_lock(root, source, target, "--constraint", MAIN, upgrade=upgrade)
    return [MAIN, *SERVICES.values()]
