"""One service as the process that an operator would start."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from drover_shared.settings import S3Settings

STOP_SECONDS = 10.0


class ServiceProcess:
    """`python -m <module>`; used as a context it is asked to stop at the end and must exit with 0 in time."""

    def __init__(self, module: str, env: Mapping[str, str], log: Path) -> None:
        self._module = module
        self._env = {**os.environ, **env}
        self._log = log
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        with self._log.open("ab") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", self._module], env=self._env, stdout=log, stderr=log
            )
        return self

    @property
    def pid(self) -> int:
        assert self._popen is not None
        return self._popen.pid

    def kill(self) -> None:
        """`kill -9`."""
        assert self._popen is not None
        self._popen.kill()
        self._popen.wait()

    def wait(self) -> int:
        """The exit status of a process that ends by itself."""
        assert self._popen is not None
        return self._popen.wait(60)

    def stop(self) -> int:
        """SIGTERM; returns the exit status. Raises subprocess.TimeoutExpired after STOP_SECONDS."""
        assert self._popen is not None
        self._popen.terminate()
        return self._popen.wait(STOP_SECONDS)

    def log_text(self) -> str:
        return self._log.read_text(errors="replace")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            status = self.stop()
        finally:
            self.kill()
        if kind is None:
            assert status == 0, self.log_text()


def service_env(database_url: str, redis_url: str, s3: S3Settings | None = None) -> dict[str, str]:
    """The environment of a service."""
    env = {"DROVER_DATABASE_URL": database_url, "DROVER_REDIS_URL": redis_url}
    if s3 is not None:
        env |= {
            "DROVER_S3_ENDPOINT": s3.endpoint,
            "DROVER_S3_BUCKET": s3.bucket,
            "DROVER_S3_ACCESS_KEY": s3.access_key,
            "DROVER_S3_SECRET_KEY": s3.secret_key,
        }
    return env
