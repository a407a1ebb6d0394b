import json
from pathlib import Path

import pytest
from drover_cli.log_view import TAIL_BYTES, copy_log, readable


def test_an_entry_is_one_readable_line() -> None:
    entry = {
        "event": "run_claimed",
        "level": "info",
        "timestamp": "2026-01-02T03:04:05.6Z",
        "service": "x",
        "slot": 1,
    }
    assert readable(json.dumps(entry)).plain == "03:04:05 info    run_claimed  slot=1"


def test_a_traceback_stands_below() -> None:
    entry = {"event": "failed", "level": "error", "exception": "Traceback …\nValueError: [no] markup"}
    assert readable(json.dumps(entry)).plain.splitlines()[1:] == ["Traceback …", "ValueError: [no] markup"]


@pytest.mark.parametrize("line", ["plain [bold] words", "{", "[1]", '{"no": "event"}', "7"])
def test_any_other_line_is_left_alone(line: str) -> None:
    assert readable(line).plain == line


def test_only_the_end_of_a_long_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "api.log"
    log.write_text("".join(f"line {n}\n" for n in range(TAIL_BYTES // 5)))
    copy_log(log, follow=False)
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1] == f"line {TAIL_BYTES // 5 - 1}"
    assert all(line.startswith("line ") for line in shown)
    assert len(shown) < TAIL_BYTES // 5
