"""Makes a git repository out of a folder, such as `examples/`."""

import os
import shutil
import subprocess
from pathlib import Path

from drover_cli.local.errors import LocalError

BRANCH = "main"
# The person's own settings (signing, hooks, names) have no part in the demo's repository.
GIT_ENV = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "Drover demo",
    "GIT_AUTHOR_EMAIL": "demo@drover.invalid",
    "GIT_COMMITTER_NAME": "Drover demo",
    "GIT_COMMITTER_EMAIL": "demo@drover.invalid",
}


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git in `folder`; its exit status is the caller's to judge. Raises LocalError without git."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**inherited, **GIT_ENV},
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise LocalError("git is not installed", hint="install git, then run it again") from error


def checked_git(folder: Path, *arguments: str) -> str:
    done = git(folder, *arguments)
    if done.returncode != 0:
        raise LocalError(f"git {arguments[0]} failed in {folder}: {done.stderr.strip()}")
    return done.stdout.strip()


def make_repository(source: Path, target: Path, message: str = "The demo's project") -> str:
    """Bring the repository `target` to hold exactly `source`'s files; returns the revision.

    A new revision is made only when something changed.
    """
    target.mkdir(parents=True, exist_ok=True)
    if not (target / ".git").exists():
        checked_git(target, "init", "--quiet", f"--initial-branch={BRANCH}")
    for old in target.iterdir():
        if old.name != ".git":
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    checked_git(target, "add", "--all")
    if git(target, "diff", "--cached", "--quiet").returncode or git(target, "rev-parse", "HEAD").returncode:
        checked_git(target, "commit", "--quiet", "--message", message)
    return checked_git(target, "rev-parse", "HEAD")
