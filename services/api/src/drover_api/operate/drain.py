"""`drain`: an executor finishes what it runs and takes nothing new, until told otherwise."""
# ruff: noqa: T201 - what a command prints is its answer

import argparse
import threading
import time
from collections.abc import Sequence

from drover_shared.db.engine import make_engine
from drover_shared.db.models import Executor
from drover_shared.process import stop_on_signals
from drover_shared.settings import Environment
from sqlalchemy import Engine, text, update

_LOOK_SECONDS = 1.0
_LIVE = text("""
    SELECT count(*) FROM job_runs JOIN executors ON executors.id = executor_id
    WHERE name = :name AND state IN ('starting', 'running')
""")


def drain(arguments: Sequence[str], env: Environment) -> int:
    """0; 1 where there is no such executor, or it still runs something when the time to wait is over."""
    parser = argparse.ArgumentParser(
        prog="drain", description="Let an executor finish, and take nothing new."
    )
    parser.add_argument("name", help="the executor's name (stats and /api/v1/executors list them)")
    parser.add_argument("--undo", action="store_true", help="let it take runs again")
    parser.add_argument("--wait", type=float, metavar="SECONDS", help="return when it runs nothing any more")
    options = parser.parse_args(arguments)
    engine = make_engine(env.text("DROVER_DATABASE_URL"), pool_size=1, application="drover-drain")
    try:
        if not _set(engine, options.name, draining=not options.undo):
            print(f"{options.name}: there is no such executor")
            return 1
        print(f"{options.name}: {'takes runs again' if options.undo else 'takes nothing new'}")
        if options.wait is None or options.undo:
            return 0
        return _wait(engine, options.name, options.wait, stop_on_signals())
    finally:
        engine.dispose()


def _set(engine: Engine, name: str, *, draining: bool) -> bool:
    with engine.begin() as connection:
        done = connection.execute(update(Executor).where(Executor.name == name).values(draining=draining))
        return done.rowcount == 1


def _wait(engine: Engine, name: str, seconds: float, stop: threading.Event) -> int:
    until = time.monotonic() + seconds
    while True:
        with engine.connect() as connection:
            live = connection.scalar(_LIVE, {"name": name}) or 0
        if live == 0 or stop.is_set() or time.monotonic() > until:
            print(f"{name}: runs {live or 'nothing'}")
            return 1 if live else 0
        stop.wait(_LOOK_SECONDS)
