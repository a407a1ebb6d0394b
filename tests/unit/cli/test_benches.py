"""What `./drover bench` finds and runs."""

from pathlib import Path

import pytest
from drover_cli.tools import benches


def test_a_script_gets_its_arguments_and_nothing_of_a_running_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "thing.py").write_text(
        "import os, sys\n"
        "right = sys.argv[1:] == ['--rounds', '1'] and 'DROVER_HOME' not in os.environ\n"
        "sys.exit(7 if right else 1)"
    )
    monkeypatch.setenv("DROVER_HOME", "/nowhere")
    assert benches.names(tmp_path) == ["thing"]
    assert benches.run(tmp_path, "thing", ["--rounds", "1"]) == 7
