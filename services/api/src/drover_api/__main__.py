"""`python -m drover_api` serves; `python -m drover_api create-admin` makes the first administrator."""

import sys

from drover_shared.logging import configure, get_logger
from drover_shared.process import run_main
from drover_shared.settings import Environment, LogSettings, SettingsError

from drover_api.bootstrap import ADMIN, ensure_admin, ensure_built_ins
from drover_api.settings import ApiSettings


def create_admin(env: Environment) -> int:
    from drover_shared.db.engine import make_engine  # noqa: PLC0415  serving does not need it here
    from sqlalchemy.orm import Session  # noqa: PLC0415

    engine = make_engine(env.text("DROVER_DATABASE_URL"), pool_size=1, application="drover-create-admin")
    password = env.text("DROVER_ADMIN_PASSWORD")
    try:
        with Session(engine) as db, db.begin():
            ensure_built_ins(db)
            made = ensure_admin(db, password)
    finally:
        engine.dispose()
    get_logger("drover.api").info("admin_made" if made else "admin_exists", username=ADMIN)
    return 0


def main() -> int:
    env = Environment()
    configure("api", LogSettings.read(env))
    match sys.argv[1:]:
        case []:
            from drover_api.serve import serve  # noqa: PLC0415  create-admin does without gunicorn

            serve(ApiSettings.read(env))
            return 0
        case ["create-admin"]:
            return create_admin(env)
        case other:
            raise SettingsError(f"unknown arguments {other}: the only command is create-admin")


if __name__ == "__main__":
    run_main(main)
