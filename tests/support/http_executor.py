"""An executor that knows nothing but the API's address: no Redis, as behind a firewall."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drover_cli.paths import EXECUTOR_PYTHON

from support.live import LiveStack


@contextmanager
def http_executor(
    stack: LiveStack, folder: Path, pool: str, **settings: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs until the body ends, with further `settings`; its log is `folder`/executor.log."""
    folder.mkdir()
    env = {
        "PATH": f"{EXECUTOR_PYTHON.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "DROVER_API_URL": stack.url,
        "DROVER_REGISTRATION_TOKEN": stack.home.secrets().registration_token,
        "DROVER_EXECUTOR_NAME": f"http-{pool}",
        "DROVER_EXECUTOR_POOLS": pool,
        "DROVER_EXECUTOR_MODE": "http",
        "DROVER_EXECUTOR_DIR": str(folder / "runs"),
        "DROVER_EXECUTOR_LOCAL_ROOTS": "/",
        **settings,
    }
    with (folder / "executor.log").open("wb") as log:
        process = subprocess.Popen([EXECUTOR_PYTHON, "-m", "drover_executor"], env=env, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
