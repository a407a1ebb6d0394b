"""Makes `.venv` (and `.venv/executor`) from the lock files, then becomes the command line inside it.

Runs under any Python 3.11+ with nothing installed, so it imports the standard library alone. It works again
only when a lock file, a pyproject.toml, the Python or the place changed; the stamp file remembers that.
"""

import ast
import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

MAIN_PACKAGES = (
    "shared",
    "cli",
    "services/api",
    "services/scheduler",
    "services/event-ingest",
    "services/log-store",
    "services/executor",
)
EXECUTOR_PACKAGES = ("shared", "services/executor")
MAIN_LOCK = "requirements.lock"
EXECUTOR_LOCK = "services/executor/requirements.lock"
# What a first start imports: compiled once here, not by five services side by side, each for itself.
MAIN_MODULES = (
    "drover_api.serve",
    "drover_api.app",
    "drover_api.commands",
    "drover_scheduler.__main__",
    "drover_event_ingest.__main__",
    "drover_log_store.__main__",
    "drover_shared.db.migrate",
    "drover_cli.main",
    "celery.app.amqp",
    "celery.worker.worker",
    "kombu.transport.redis",
)
EXECUTOR_MODULES = (
    "drover_executor.__main__",
    "drover_executor.child.__main__",
    "ansible.cli.playbook",
    "ansible.executor.module_common",
    "ansible.plugins.strategy.linear",
)
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
# What pip is told about where packages come from, in the words of uv.
UV_FOR_PIP = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "trusted-host": "UV_INSECURE_HOST",
    "proxy": "ALL_PROXY",
}


class BootstrapError(Exception):
    """One line: what failed and what to do."""


class Bootstrap:
    """The two environments of one clone at `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / ".venv"
        self.executor = self.home / "executor"
        self.stamp = self.home / "drover.stamp"
        self.log = self.home / "bootstrap.log"

    def fingerprint(self) -> str:
        """Changes whenever the environments have to be made again."""
        parts = [sys.version, str(self.root)]
        files = [MAIN_LOCK, EXECUTOR_LOCK, *(f"{name}/pyproject.toml" for name in MAIN_PACKAGES)]
        parts += [(self.root / name).read_text() for name in files]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def is_current(self) -> bool:
        try:
            made = self.stamp.read_text()
        except OSError:
            return False
        pythons = (self.home / "bin/python", self.executor / "bin/python")
        return made == self.fingerprint() and all(python.exists() for python in pythons)

    def ensure(self) -> None:
        """Make the environments unless they are current; waits while another process makes them."""
        if self.is_current():
            return
        self.home.mkdir(exist_ok=True)
        with (self.home / "drover.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another ./drover is setting up .venv; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.is_current():
                self._make()

    def _make(self) -> None:
        say("setting up .venv (only after a change of the lock files; the first time takes longest)")
        fingerprint = self.fingerprint()
        self.stamp.unlink(missing_ok=True)
        self.log.write_text("")
        with step("environments"):
            for folder in (self.home, self.executor):
                venv.create(folder, with_pip=False, symlinks=True)
        pip_env = self._pip_env()
        with step("installer"):
            uv = self._install_uv(pip_env)
        if uv is None:
            say("uv is not to be had here, so pip installs: that takes a few minutes")
        with step(f"{self._count(MAIN_LOCK)} packages"):
            self._install(uv, pip_env)
        with step("Drover itself"):
            self._install_ours(uv, pip_env)
        with step("bytecode"):
            self._compile()
        self.stamp.write_text(fingerprint)

    def _count(self, lock: str) -> int:
        return sum(1 for line in (self.root / lock).read_text().splitlines() if "==" in line)

    def _pip_env(self) -> dict[str, str]:
        """Runs `python -m pip` from the wheel that Python carries: making a pip in .venv takes seconds."""
        wheel = bundled_pip()
        if wheel is None:
            raise BootstrapError(
                "this Python has no pip to install with; on Debian and Ubuntu: apt install python3-venv"
            )
        return {"PYTHONPATH": str(wheel), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}

    def _install_uv(self, pip_env: Mapping[str, str]) -> dict[str, str] | None:
        """Install uv at its locked version; its environment, or None when it is not to be had here.

        uv installs ten times as fast as pip. It is told what pip's configuration says, so it asks the same
        indexes; hashes are required of it as well.
        """
        entry = lock_entry((self.root / MAIN_LOCK).read_text(), "uv")
        wanted = self.home / "uv.txt"
        try:
            if not (wanted.exists() and wanted.read_text() == entry and (self.home / "bin/uv").exists()):
                wanted.write_text(entry)
                self._pip(self.home, pip_env, ["--require-hashes", "--no-deps", "-r", str(wanted)])
        except BootstrapError:
            return None
        listed = self._run([str(self.home / "bin/python"), "-m", "pip", "config", "list"], pip_env)
        return uv_environment(listed)

    def _install(self, uv: Mapping[str, str] | None, pip_env: Mapping[str, str]) -> None:
        targets = {self.home: MAIN_LOCK, self.executor: EXECUTOR_LOCK}
        jobs = [
            (home, ["--require-hashes", "--no-deps", "-r", str(self.root / lock)])
            for home, lock in targets.items()
        ]
        self._each(jobs, uv, pip_env)

    def _install_ours(self, uv: Mapping[str, str] | None, pip_env: Mapping[str, str]) -> None:
        builder = {"PATH": f"{self.home / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
        # the executor's environment has no build tool: hatchling is lent from the main one
        site = next((self.home / "lib").glob("python3*/site-packages"))
        lent = {**builder, "PYTHONPATH": os.pathsep.join(filter(None, [pip_env["PYTHONPATH"], str(site)]))}
        jobs = []
        for home, packages in ((self.home, MAIN_PACKAGES), (self.executor, EXECUTOR_PACKAGES)):
            editable = [word for name in packages for word in ("-e", str(self.root / name))]
            jobs.append((home, ["--no-deps", "--no-build-isolation", *editable]))
        self._each(jobs, uv, {**pip_env, **lent})

    def _compile(self) -> None:
        """Leave the bytecode of what runs, in both environments at once; whatever fails here fails there."""
        env = {name: value for name, value in os.environ.items() if name != NO_BYTECODE}
        load = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
        running = []
        with self.log.open("ab") as log:
            for home, modules in ((self.home, MAIN_MODULES), (self.executor, EXECUTOR_MODULES)):
                command = [str(home / "bin/python"), "-c", load, *modules]
                running.append(subprocess.Popen(command, stdout=log, stderr=log, env=env))
        for process in running:
            process.wait()

    def _each(
        self, jobs: Sequence[tuple[Path, list[str]]], uv: Mapping[str, str] | None, pip_env: Mapping[str, str]
    ) -> None:
        """Run one installation an environment, all at once; with pip what uv could not do."""
        if uv is not None:
            running = [self._start_uv(home, {**pip_env, **uv}, arguments) for home, arguments in jobs]
            if all([process.wait() == 0 for process in running]):  # noqa: C419  each has to be waited for
                return
        for home, arguments in jobs:
            self._pip(home, pip_env, arguments)

    def _start_uv(
        self, home: Path, env: Mapping[str, str], arguments: Sequence[str]
    ) -> "subprocess.Popen[bytes]":
        command = [
            str(self.home / "bin/uv"),
            "pip",
            "install",
            "--python",
            str(home / "bin/python"),
            *arguments,
        ]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **env})

    def _pip(self, home: Path, env: Mapping[str, str], arguments: Sequence[str]) -> None:
        self._run([str(home / "bin/python"), "-m", "pip", "install", "--no-compile", *arguments], env)

    def _run(self, command: Sequence[str], env: Mapping[str, str]) -> str:
        """Run to the end; its output goes to the log and is returned. Raises BootstrapError."""
        done = subprocess.run(
            command,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        with self.log.open("a") as log:
            log.write(f"$ {' '.join(command)}\n{done.stdout}")
        if done.returncode != 0:
            raise BootstrapError(
                "installing failed; check the network and pip's index, then run ./drover again; "
                f"log: {self.log}"
            )
        return done.stdout


def bundled_pip() -> Path | None:
    """The pip wheel that comes with this Python (ensurepip's, or the distribution's)."""
    folders = [Path(sysconfig.get_path("stdlib")) / "ensurepip" / "_bundled"]
    shared = sysconfig.get_config_var("WHEEL_PKG_DIR")
    if shared:
        folders.append(Path(shared))
    return next((wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"))), None)


def lock_entry(lock: str, package: str) -> str:
    """The lines of one package in a lock file: its version and hashes."""
    lines = iter(lock.splitlines(keepends=True))
    for line in lines:
        if line.startswith(f"{package}=="):
            entry = [line]
            while entry[-1].rstrip().endswith("\\"):
                entry.append(next(lines))
            return "".join(entry)
    raise BootstrapError(f"{MAIN_LOCK} does not name {package}; run ./drover lock")


def uv_environment(pip_config: str) -> dict[str, str]:
    """Say to uv, by its environment variables, what `pip config list` says about where packages are."""
    settings: dict[str, str] = {}
    # `:env:` is what PIP_… variables say; they win over the files, so they are read last
    for line in sorted(pip_config.splitlines(), key=lambda line: line.startswith(":env:")):
        key, separator, value = line.partition("=")
        name = key.rpartition(".")[2]
        if separator and name in UV_FOR_PIP:
            with contextlib.suppress(ValueError, SyntaxError):
                settings[UV_FOR_PIP[name]] = " ".join(str(ast.literal_eval(value)).split())
    # pip takes the best version of all indexes; the lock's hashes decide what may be installed
    return {**settings, "UV_INDEX_STRATEGY": "unsafe-best-match", "UV_LINK_MODE": "copy", "UV_NO_CONFIG": "1"}


def say(text: str) -> None:
    print(f"drover: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Show a step while it works and how long it took."""
    started = time.monotonic()
    live = sys.stderr.isatty()
    if live:
        print(f"  … {name}", end="", file=sys.stderr, flush=True)
    yield
    start = "\r" if live else ""
    print(f"{start}  ✓ {name:<24} {time.monotonic() - started:5.1f} s", file=sys.stderr, flush=True)


def main() -> None:
    root = Path(sys.argv[1]).resolve()
    bootstrap = Bootstrap(root)
    try:
        bootstrap.ensure()
    except KeyboardInterrupt:
        print(file=sys.stderr)
        say("interrupted; run it again to go on")
        sys.exit(130)
    except (BootstrapError, OSError) as error:
        print(file=sys.stderr)
        say(str(error))
        sys.exit(1)
    python = bootstrap.home / "bin/python"
    # Without bytecode each start of each process compiles what it imports: five seconds for a service.
    os.environ.pop(NO_BYTECODE, None)
    os.execv(python, [str(python), "-m", "drover_cli", *sys.argv[2:]])  # noqa: S606


if __name__ == "__main__":
    main()
