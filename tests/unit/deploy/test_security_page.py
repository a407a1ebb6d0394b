"""docs/operations/security.md names a test for each point, and each of them is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "operations" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/.]+\.py)::(?:\w+::)?(\w+)`", PAGE)))


def test_every_point_has_its_tests() -> None:
    rows = re.findall(r"^\| (API\d+) .*$", PAGE, re.MULTILINE)
    assert rows == [f"API{number}" for number in range(1, 11)]
    for row in re.findall(r"^\| API\d+ .*$", PAGE, re.MULTILINE):
        assert "::test_" in row, row


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_each_is_there(path: str, name: str) -> None:
    assert re.search(rf"^ *def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
