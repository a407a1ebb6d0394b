"""`python -m drover_event_ingest dead-letters list|show|replay`, for operators."""
# ruff: noqa: T201 - what a command prints is its answer

import argparse
import json
from collections.abc import Sequence
from datetime import UTC
from functools import partial
from uuid import UUID

from drover_shared.db.engine import make_engine
from drover_shared.settings import Environment
from sqlalchemy import Engine

from drover_event_ingest.letters import (
    Letter,
    NotReplayedError,
    every_letter,
    list_letters,
    replay_letter,
    show_letter,
)

_ROW = "{:>8}  {:<20}  {:<10}  {:<36}  {:>8}  {:>8}  {}"
_SHOWN_BYTES = 64 * 1024


def run_command(arguments: Sequence[str], env: Environment) -> int:
    """0 where all went well, 1 where a letter is not there or was not replayed."""
    options = _parser().parse_args(arguments)
    engine = make_engine(env.text("DROVER_DATABASE_URL"), pool_size=1, application="drover-dead-letters")
    try:
        match options.command:
            case "list":
                return _list(engine, options.run, options.after, options.limit)
            case "show":
                return _show(engine, options.id)
            case _:
                ids = every_letter(engine, options.run) if options.all else options.ids
                return max(map(partial(_replay, engine), ids), default=0)
    finally:
        engine.dispose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dead-letters", description="What could not be stored, and why.")
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="letters, oldest first")
    listing.add_argument("--run", type=UUID, help="of this run alone")
    listing.add_argument("--after", type=int, default=0, help="with an id above this one")
    listing.add_argument("--limit", type=int, default=100, help="at most so many")
    commands.add_parser("show", help="one letter, with what it holds").add_argument("id", type=int)
    replay = commands.add_parser("replay", help="store the events of letters, and remove those letters")
    what = replay.add_mutually_exclusive_group(required=True)
    what.add_argument("ids", type=int, nargs="*", default=[], metavar="id")
    what.add_argument("--all", action="store_true", help="every letter, or every one of --run")
    replay.add_argument("--run", type=UUID, help="with --all: of this run alone")
    return parser


def _list(engine: Engine, run: UUID | None, after: int, limit: int) -> int:
    with engine.connect() as connection:
        letters = list_letters(connection, run, after, limit)
    print(_ROW.format("id", "at", "stream", "run", "seq", "bytes", "reason"))
    for letter in letters:
        print(_ROW.format(*_head(letter).values()))
    return 0


def _show(engine: Engine, letter_id: int) -> int:
    with engine.connect() as connection:
        letter = show_letter(connection, letter_id)
    if letter is None:
        print(f"{letter_id}: there is no such letter")
        return 1
    for name, value in {**_head(letter), "message": _plain(letter.message_id)}.items():
        print(f"{name + ':':<9} {value}")
    print(f"\n{_body(letter.body)}")
    return 0


def _replay(engine: Engine, letter_id: int) -> int:
    try:
        replay_letter(engine, letter_id)
    except NotReplayedError as error:
        print(f"{letter_id}: {_plain(str(error))}")
        return 1
    print(f"{letter_id}: replayed")
    return 0


def _head(letter: Letter) -> dict[str, object]:
    return {
        "id": letter.id,
        "at": f"{letter.created_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "stream": letter.stream,
        "run": str(letter.job_run_id or "-"),
        "seq": "-" if letter.seq is None else letter.seq,
        "bytes": letter.size,
        "reason": _plain(letter.reason),
    }


def _body(body: bytes) -> str:
    """JSON indented, else text; never a byte that a terminal would obey."""
    try:
        shown = json.dumps(json.loads(body), indent=2)  # ASCII alone
    except (ValueError, RecursionError):
        shown = "\n".join(map(_plain, body.decode(errors="backslashreplace").split("\n")))
    more = len(shown) - _SHOWN_BYTES
    return f"{shown[:_SHOWN_BYTES]}\n… and {more} more characters" if more > 0 else shown


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
