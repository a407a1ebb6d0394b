"""Dead letters: listed, shown, and replayed exactly once."""

import os
import subprocess
import sys
from typing import Any

import pytest
from drover_event_ingest.batches import prepare
from drover_event_ingest.letters import NotReplayedError, every_letter, replay_letter
from drover_event_ingest.store import EventStore
from sqlalchemy import Engine, text
from support.output import batch_fields, entry, event
from support.runs import RunRow, make_run

LIMIT = "ALTER TABLE job_events ADD CONSTRAINT no_bang CHECK (task_name <> 'bang!')"
LIFT = "ALTER TABLE job_events DROP CONSTRAINT no_bang"


@pytest.fixture
def run(engine: Engine) -> RunRow:
    return make_run(engine)


def put(engine: Engine, run: RunRow, *events: Any, token: str | None = None) -> None:
    EventStore(engine).store(prepare([entry(batch_fields(run, events, token))]))


def execute(engine: Engine, sql: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(sql))


def rows(engine: Engine, sql: str) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def counts(engine: Engine) -> Any:
    [found] = rows(
        engine,
        "SELECT received::text, p.events, p.hosts_total, (SELECT count(*) FROM job_events),"
        " (SELECT sum(ok) FROM job_host_summaries) FROM run_event_progress AS p",
    )
    return found


def refused(engine: Engine, run: RunRow) -> int:
    """An event that the database refused; the letter's id, with what refused it mended."""
    execute(engine, LIMIT)
    put(engine, run, event(1), {**event(2), "task_name": "bang!"}, event(3))
    [letter] = every_letter(engine, run.id)
    return letter


def test_a_refused_event_is_stored_once_its_cause_is_mended(engine: Engine, run: RunRow) -> None:
    letter = refused(engine, run)
    assert counts(engine) == ("{[1,4)}", 2, 1, 2, 2)
    with pytest.raises(NotReplayedError, match="still refused: CheckViolation 23514"):
        replay_letter(engine, letter)
    assert counts(engine) == ("{[1,4)}", 2, 1, 2, 2)
    execute(engine, LIFT)
    replay_letter(engine, letter)
    assert counts(engine) == ("{[1,4)}", 3, 1, 3, 3)
    with pytest.raises(NotReplayedError, match="no such letter"):
        replay_letter(engine, letter)
    put(engine, run, {**event(2), "task_name": "bang!"})
    assert counts(engine) == ("{[1,4)}", 3, 1, 3, 3)
    assert every_letter(engine, None) == []


def test_an_event_that_is_in_the_table_is_not_stored_again(engine: Engine, run: RunRow) -> None:
    letter = refused(engine, run)
    execute(engine, LIFT)
    execute(engine, "CREATE TABLE kept AS SELECT * FROM dead_letters")
    replay_letter(engine, letter)
    execute(engine, "INSERT INTO dead_letters OVERRIDING SYSTEM VALUE SELECT * FROM kept")
    replay_letter(engine, letter)
    assert counts(engine) == ("{[1,4)}", 3, 1, 3, 3)


def test_what_was_never_judged_right_stays(engine: Engine, run: RunRow) -> None:
    put(engine, run, event(1), token="drs_other")
    put(engine, run, {**event(2), "event_type": "NONE_SUCH"}, {**event(3), "seq": "x"})
    assert [reason_of(engine, letter) for letter in every_letter(engine, None, page=2)] == [
        "it is no single event of a run: what was right of it was sent again",
        "still refused: event_type: not known",
        "it is no single event of a run: what was right of it was sent again",
    ]
    assert rows(engine, "SELECT seq FROM job_events") == []


def reason_of(engine: Engine, letter: int) -> str:
    with pytest.raises(NotReplayedError) as caught:
        replay_letter(engine, letter)
    return str(caught.value)


def test_the_command_lists_shows_and_replays(engine: Engine, database_url: str, run: RunRow) -> None:
    execute(engine, LIMIT)
    put(engine, run, {**event(2, note="\x1b[31mred"), "task_name": "bang!"})

    def command(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "drover_event_ingest", "dead-letters", *arguments],
            env={**os.environ, "DROVER_DATABASE_URL": database_url},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    status, listed = command("list", "--run", str(run.id))
    line = listed.splitlines()[1].split(maxsplit=6)
    assert (status, line[2:5], line[6]) == (
        0,
        ["job-events", str(run.id), "2"],
        "refused: CheckViolation 23514",
    )
    status, shown = command("show", line[0])
    assert status == 0
    assert '"note": "\\u001b[31mred"' in shown
    assert command("replay", line[0]) == (1, f"{line[0]}: still refused: CheckViolation 23514\n")
    execute(engine, LIFT)
    assert command("replay", "--all") == (0, f"{line[0]}: replayed\n")
    assert command("show", line[0])[0] == 1
    assert command("replay")[0] == 2
