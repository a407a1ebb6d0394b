"""Where this clone of Drover lies."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MAIN_PYTHON = ROOT / ".venv/bin/python"
EXECUTOR_PYTHON = ROOT / ".venv/executor/bin/python"
EXAMPLES = ROOT / "examples"
