"""A real sshd of a test's own, on a free port of this machine."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

from support.fake_api import wait_until

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
PASSPHRASE = "a passphrase with $odd 'chars'"


class Sshd:
    """One that lets this user in with `key` (which has a passphrase) or `plain`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.key, self.plain = folder / "key", folder / "plain"
        for path, passphrase in ((folder / "host", ""), (self.key, PASSPHRASE), (self.plain, "")):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", path], check=True)
        known = folder / "authorized"
        known.write_text("".join(key.with_suffix(".pub").read_text() for key in (self.key, self.plain)))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        settings = {
            "Port": self.port,
            "ListenAddress": "127.0.0.1",
            "HostKey": folder / "host",
            "AuthorizedKeysFile": known,
            "StrictModes": "no",
            "PidFile": "none",
            "PasswordAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            "Subsystem": "sftp internal-sftp",
        }
        config = folder / "config"
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        assert SSHD is not None
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", config], stderr=log)
        wait_until(self._answers)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def inventory(self) -> dict[str, str | None]:
        host = f"web01 ansible_host=127.0.0.1 ansible_port={self.port}"
        host += f" ansible_python_interpreter={sys.executable}\n"
        return {"mode": "inline", "content": f"[all]\n{host}", "path": None}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
