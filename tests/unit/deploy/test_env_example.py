"""deploy/env.example tells of every setting, and deploy/make-env makes a usable .env of it."""

import itertools
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "deploy" / "env.example"
SETTING = re.compile(r"^#?([A-Z][A-Z0-9_]*)=(.*)$")
# How the code names what it reads: a whole word in quotes.
IN_CODE = re.compile(r"""["'](DROVER_[A-Z0-9_]+)["']""")
SET_FOR_PLAYBOOKS = {"DROVER_JOB_RUN_ID"}  # no setting: the executor gives it to what it starts
IN_COMPOSE = re.compile(r"\$\{([A-Z0-9_]+)")


def settings() -> dict[str, str]:
    found = (SETTING.match(line) for line in EXAMPLE.read_text().splitlines())
    return {match[1]: match[2] for match in found if match}


def sources() -> Iterator[Path]:
    for folder in ("shared/src", "services", "cli/src"):
        yield from (ROOT / folder).rglob("*.py")


def test_every_variable_that_the_code_reads_is_listed() -> None:
    read = {name for path in sources() for name in IN_CODE.findall(path.read_text())}
    assert read, "the pattern finds nothing"
    assert read <= settings().keys() | SET_FOR_PLAYBOOKS


def test_every_variable_of_the_composition_is_listed() -> None:
    used = set(IN_COMPOSE.findall((ROOT / "docker-compose.yml").read_text()))
    assert used <= settings().keys()


def test_each_setting_has_a_line_of_comment_above_it() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for above, line in itertools.pairwise(lines):
        if SETTING.match(line):
            assert above.startswith("# ") or SETTING.match(above), line


def make_env(target: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "deploy" / "make-env", target], capture_output=True, text=True, check=False)


def values(path: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in path.read_text().splitlines() if line[:1].isupper())
    return {name: value for name, _, value in pairs}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    target = tmp_path / "env"
    assert make_env(target).returncode == 0
    return target


def test_made_settings_are_private_and_complete(made: Path) -> None:
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    found = values(made)
    assert all(found.values())
    assert len(set(found.values())) == len(found)
    key_id, _, key = found.pop("DROVER_SECRET_KEYS").partition(":")
    assert key_id == "k1"
    Fernet(key)
    assert all(re.fullmatch(r"[0-9a-f]{20,}", value) for value in found.values())  # safe in an address


def test_two_are_never_alike(made: Path, tmp_path: Path) -> None:
    assert make_env(tmp_path / "other").returncode == 0
    assert not set(values(made).values()) & set(values(tmp_path / "other").values())


def test_existing_settings_are_not_touched(made: Path) -> None:
    before = made.read_text()
    again = make_env(made)
    assert again.returncode == 1
    assert "there already" in again.stderr
    assert made.read_text() == before
