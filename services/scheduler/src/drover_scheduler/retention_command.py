"""`python -m drover_scheduler job-retention`: jobs the time of which is over; removed only when asked to."""
# ruff: noqa: T201 - what a command prints is its answer

import argparse
from collections.abc import Sequence

from drover_shared.db.engine import make_engine
from drover_shared.settings import Environment, S3Settings

from drover_scheduler.retention import count_expired, open_store, remove_some


def run_command(arguments: Sequence[str], env: Environment) -> int:
    """0 where all went well."""
    parser = argparse.ArgumentParser(prog="job-retention", description="Remove jobs that ended long ago.")
    parser.add_argument("--days", type=_days, required=True, help="keep jobs so many days after their end")
    parser.add_argument("--apply", action="store_true", help="remove them; without it they are only counted")
    options = parser.parse_args(arguments)
    engine = make_engine(env.text("DROVER_DATABASE_URL"), pool_size=1, application="drover-retention")
    try:
        with engine.connect() as connection:
            found = count_expired(connection, options.days)
        size = f"{found.runs} runs, {found.events} events, {found.log_bytes / 1e6:.1f} MB of log"
        if not options.apply:
            print(f"{found.jobs} jobs ({size}) would be removed")
            return 0
        objects, removed = open_store(S3Settings.read(env)), 0
        while some := remove_some(engine, objects.delete_many, options.days):
            removed += some
        print(f"{removed} jobs removed ({size})")
    finally:
        engine.dispose()
    return 0


def _days(text: str) -> int:
    days = int(text)
    if days < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return days
