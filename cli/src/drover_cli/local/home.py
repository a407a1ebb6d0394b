"""The folder of one stack: its data, logs, secrets and ports. Two folders are two stacks."""

import base64
import json
import os
import random
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from drover_cli.local.errors import LocalError
from drover_cli.local.ports import choose_port, is_free
from drover_cli.paths import ROOT

DEFAULT_API_PORT = 8080
SERVERS = ("postgres", "redis", "s3")
WORKERS = ("scheduler", "event-ingest", "log-store", "executor")
SERVICES = (*SERVERS, "api", *WORKERS)


@dataclass(frozen=True)
class Secrets:
    """Made once for a home; every value is a password to something."""

    admin_password: str = field(repr=False)
    registration_token: str = field(repr=False)
    secret_keys: str = field(repr=False)
    postgres_password: str = field(repr=False)
    redis_password: str = field(repr=False)
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)
    admin_password_shown: bool = False


def write_private(path: Path, text: str) -> None:
    """Replace a file at once by one that only its owner may read."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)


class Home:
    """One stack's folder. `api_port` is the one wanted for the API."""

    def __init__(self, folder: Path, api_port: int) -> None:
        self.folder = folder
        self.api_port = api_port
        self.logs = folder / "logs"
        self.state_file = folder / "state.json"
        self.lock_file = folder / "supervisor.lock"
        self._secrets_file = folder / "secrets.json"
        self._ports_file = folder / "ports.json"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Home":
        """The home that DROVER_HOME and DROVER_PORT name. Raises LocalError for a port that is none."""
        folder = Path(environ.get("DROVER_HOME") or ROOT / ".drover").expanduser().absolute()
        text = environ.get("DROVER_PORT") or str(DEFAULT_API_PORT)
        if not text.isdecimal() or not 0 < int(text) < 65536:
            raise LocalError(f"DROVER_PORT must be a port number, not {text!r}")
        return cls(folder, int(text))

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def prepare(self, environ: Mapping[str, str]) -> Secrets:
        """Make the folder and its secrets where they are missing; returns the secrets.

        The first administrator's password is DROVER_ADMIN_PASSWORD's at the first start, else a made one.
        """
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
        except OSError as error:
            raise LocalError(
                f"{self.folder} cannot be used: {error.strerror}", hint="set DROVER_HOME to a folder of yours"
            ) from error
        if self._secrets_file.exists():
            return self.secrets()
        given = environ.get("DROVER_ADMIN_PASSWORD", "")
        made = Secrets(
            admin_password=given or secrets.token_urlsafe(12),
            registration_token=secrets.token_urlsafe(32),
            secret_keys=f"k1:{base64.urlsafe_b64encode(os.urandom(32)).decode()}",
            postgres_password=secrets.token_hex(16),
            redis_password=secrets.token_hex(16),
            s3_access_key=secrets.token_hex(10),
            s3_secret_key=secrets.token_hex(20),
            admin_password_shown=bool(given),
        )
        self._write_secrets(made)
        return made

    def secrets(self) -> Secrets:
        """Raises LocalError when there are none yet or they cannot be read."""
        try:
            return Secrets(**json.loads(self._secrets_file.read_text()))
        except FileNotFoundError:
            raise LocalError("the stack has never been started here", hint="run ./drover up") from None
        except (OSError, ValueError, TypeError) as error:
            raise LocalError(f"{self._secrets_file} cannot be read: {error}") from error

    def password_to_show(self) -> str | None:
        """The made password of `admin`, the first time this is asked; then None for ever."""
        known = self.secrets()
        if known.admin_password_shown:
            return None
        self._write_secrets(Secrets(**{**asdict(known), "admin_password_shown": True}))
        return known.admin_password

    def _write_secrets(self, values: Secrets) -> None:
        write_private(self._secrets_file, json.dumps(asdict(values), indent=1))

    def choose_ports(self) -> dict[str, int]:
        """A free port for each service: the last one where it still is free. Raises LocalError.

        The API's is the one asked for, or none.
        """
        if not is_free(self.api_port):
            raise LocalError(
                f"port {self.api_port} is taken by another program",
                hint=f"choose another: DROVER_PORT={self.api_port + 1} ./drover …",
            )
        try:
            last: dict[str, int] = json.loads(self._ports_file.read_text())
        except (OSError, ValueError):
            last = {}
        ports = {"api": self.api_port}
        rng = random.SystemRandom()
        for name in SERVICES:
            if name != "api":
                ports[name] = choose_port(last.get(name), set(ports.values()), rng)
        self._ports_file.write_text(json.dumps(ports))
        return ports
