"""`python -m drover_api` serves. `create-admin` makes the first administrator, and `rotate-keys` encrypts
every secret with the first of DROVER_SECRET_KEYS.
"""

import sys

from drover_shared.logging import configure
from drover_shared.process import run_main
from drover_shared.settings import Environment, LogSettings, SettingsError

from drover_api.commands import create_admin, rotate_keys
from drover_api.serve import serve
from drover_api.settings import ApiSettings


def main() -> int:
    env = Environment()
    configure("api", LogSettings.read(env))
    match sys.argv[1:]:
        case []:
            serve(ApiSettings.read(env))
        case ["create-admin"]:
            create_admin(env)
        case ["rotate-keys"]:
            rotate_keys(env)
        case other:
            raise SettingsError(f"unknown arguments {other}: the commands are create-admin and rotate-keys")
    return 0


if __name__ == "__main__":
    run_main(main)
