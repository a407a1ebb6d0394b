"""`python -m drover_api` serves. `create-admin` makes the first administrator, and `rotate-keys` encrypts
every secret with the first of DROVER_SECRET_KEYS. `check` asks every dependency, `stats` counts, and `drain`
lets an executor finish.
"""

# ruff: noqa: PLC0415 - prometheus_client decides when it is imported whether processes share their metrics

import os
import shutil
import sys
import tempfile

from drover_shared.logging import configure
from drover_shared.process import run_main
from drover_shared.settings import Environment, LogSettings, SettingsError

COMMANDS = "create-admin, rotate-keys, check, stats and drain"


def main() -> int:
    env = Environment()
    configure("api", LogSettings.read(env))
    match sys.argv[1:]:
        case []:
            serve(env)
        case ["create-admin"]:
            from drover_api.commands import create_admin

            create_admin(env)
        case ["rotate-keys"]:
            from drover_api.commands import rotate_keys

            rotate_keys(env)
        case ["check"]:
            from drover_api.operate.checks import check

            return check(env)
        case ["stats"]:
            from drover_api.operate.stats import stats

            return stats(env)
        case ["drain", *arguments]:
            from drover_api.operate.drain import drain

            return drain(arguments, env)
        case other:
            raise SettingsError(f"unknown arguments {other}: the commands are {COMMANDS}")
    return 0


def serve(env: Environment) -> None:
    """Serve until SIGTERM, by processes that keep their metrics in one folder: any can tell of all."""
    folder, owner = tempfile.mkdtemp(prefix="drover-api-metrics-"), os.getpid()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    try:
        from drover_api import serve as server
        from drover_api.settings import ApiSettings

        server.serve(ApiSettings.read(env))
    finally:
        if os.getpid() == owner:  # a worker that ends comes by here, too, and the others need the folder
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    run_main(main)
