"""`python -m drover_event_ingest retention`: what events the time of is over; dropped only when asked to."""
# ruff: noqa: T201 - what a command prints is its answer

import argparse
from collections.abc import Sequence

from drover_shared.clock import Clock
from drover_shared.db.engine import make_engine
from drover_shared.settings import Environment

from drover_event_ingest.retention import drop_day, expired_days


def run_command(arguments: Sequence[str], env: Environment, clock: Clock) -> int:
    """0 where all went well, 1 where a day could not be dropped now."""
    parser = argparse.ArgumentParser(prog="retention", description="Drop events of days gone by.")
    parser.add_argument("--days", type=_days, required=True, help="keep the events of so many days")
    parser.add_argument("--apply", action="store_true", help="drop them; without it they are only named")
    options = parser.parse_args(arguments)
    engine = make_engine(env.text("DROVER_DATABASE_URL"), pool_size=1, application="drover-retention")
    failed = 0
    try:
        with engine.connect() as connection:
            expired = expired_days(connection, clock.now().date(), options.days)
        for found in expired:
            done = not options.apply or drop_day(engine, found.day)
            failed |= not done
            word = ("dropped" if done else "in use, try again") if options.apply else "would be dropped"
            print(f"{found.day}  about {found.events} events, {found.bytes / 1e6:.1f} MB: {word}")
        if not expired:
            print(f"no events are older than {options.days} days")
    finally:
        engine.dispose()
    return int(failed)


def _days(text: str) -> int:
    days = int(text)
    if days < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return days
