"""deploy/env.example tells of every setting, and deploy/make-env makes a usable .env of it."""

import itertools
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "deploy" / "env.example"
SETTING = re.compile(r"^#?([A-Z][A-Z0-9_]*)=(.*)$")
# How the code names what it reads: a whole word in quotes.
IN_CODE = re.compile(r"""["'](DROVER_[A-Z0-9_]+)["']""")
SET_FOR_PLAYBOOKS = {"DROVER_JOB_RUN_ID"}  # no setting: the executor gives it to what it starts
COMPOSITION = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
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


def make_env(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [ROOT / "deploy" / "make-env", folder / "env", folder / "secrets"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def secrets(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "secrets").iterdir()}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    folder.mkdir()
    assert make_env(folder).returncode == 0
    return folder


def test_made_secrets_are_private_and_complete(made: Path) -> None:
    assert stat.S_IMODE((made / "secrets").stat().st_mode) == 0o700
    assert f"\nDROVER_SECRETS={made}/secrets\n" in (made / "env").read_text()
    found = secrets(made)
    assert found.keys() == COMPOSITION["secrets"].keys() | {"redis-url-monitor", "redis-url-operator"}
    key_id, _, key = found.pop("secret-keys").partition(":")
    assert key_id == "k1"
    Fernet(key)
    assert found["database-url"] == (
        f"postgresql+psycopg2://drover:{found['postgres-password']}@postgres:5432/drover"
    )
    random = [value for value in found.values() if re.fullmatch(r"[0-9a-f]{20,}", value)]
    assert len(set(random)) == 5  # passwords, keys and the token


def test_each_service_is_a_redis_user_of_its_own(made: Path) -> None:
    users = {line.split()[1]: line for line in secrets(made)["redis-users"].splitlines()}
    assert " off " in users.pop("default")
    passwords = {name: line.split(">")[1].split()[0] for name, line in users.items()}
    assert len(set(passwords.values())) == len(users) == 7
    for name, password in passwords.items():
        assert secrets(made)[f"redis-url-{name}"] == f"redis://{name}:{password}@redis:6379/0"


def test_two_are_never_alike(made: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert make_env(tmp_path / "other").returncode == 0
    assert not set(secrets(made).values()) & set(secrets(tmp_path / "other").values())


def test_existing_settings_are_not_touched(made: Path) -> None:
    before = secrets(made)
    again = make_env(made)
    assert again.returncode == 1
    assert "there already" in again.stderr
    assert secrets(made) == before
