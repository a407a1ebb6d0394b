import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from drover_cli import bootstrap
from drover_cli.bootstrap import Bootstrap, BootstrapError, lock_entry, uv_environment

LOCK = """# made by uv
amqp==5.4.2 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
uv==0.9.1 \\
    --hash=sha256:cc
vine==5.1.0 ; python_version < '4' \\
    --hash=sha256:dd
"""


def test_one_package_of_a_lock_with_its_hashes() -> None:
    assert lock_entry(LOCK, "amqp") == "amqp==5.4.2 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    assert lock_entry(LOCK, "uv") == "uv==0.9.1 \\\n    --hash=sha256:cc\n"
    with pytest.raises(BootstrapError, match="does not name hatchling"):
        lock_entry(LOCK, "hatchling")


def test_uv_is_told_what_pip_knows_and_variables_win() -> None:
    config = """
:env:.index-url='https://env.example.com/simple'
global.cert='/etc/ca.crt'
global.extra-index-url='\\nfile:///a/simple\\nfile:///b/simple'
global.index-url='https://file.example.com/simple'
global.timeout='60'
nonsense
"""
    made = uv_environment(config)
    assert made["UV_DEFAULT_INDEX"] == "https://env.example.com/simple"
    assert made["UV_INDEX"] == "file:///a/simple file:///b/simple"
    assert made["SSL_CERT_FILE"] == "/etc/ca.crt"


@pytest.fixture
def clone(tmp_path: Path) -> Bootstrap:
    """A clone whose environments were made."""
    for name in bootstrap.MAIN_PACKAGES:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "pyproject.toml").write_text("[project]")
    (tmp_path / bootstrap.MAIN_LOCK).write_text(LOCK)
    (tmp_path / bootstrap.EXECUTOR_LOCK).write_text(LOCK)
    made = Bootstrap(tmp_path)
    for folder in (made.home, made.executor):
        (folder / "bin").mkdir(parents=True)
        (folder / "bin/python").symlink_to(sys.executable)
    made.stamp.write_text(made.fingerprint())
    return made


def test_nothing_is_made_again_without_a_reason(clone: Bootstrap) -> None:
    assert clone.is_current()
    clone.ensure()


@pytest.mark.parametrize(
    "changed", [bootstrap.MAIN_LOCK, bootstrap.EXECUTOR_LOCK, "services/api/pyproject.toml"]
)
def test_a_changed_lock_or_project_is_a_reason(clone: Bootstrap, changed: str) -> None:
    (clone.root / changed).write_text("changed")
    assert not clone.is_current()


@pytest.mark.parametrize("lost", [".venv/drover.stamp", ".venv/bin/python", ".venv/executor/bin/python"])
def test_a_lost_part_is_a_reason(clone: Bootstrap, lost: str) -> None:
    (clone.root / lost).unlink()
    assert not clone.is_current()


def test_a_moved_clone_is_a_reason(clone: Bootstrap, tmp_path: Path) -> None:
    moved = tmp_path.with_name("moved")
    clone.root.rename(moved)
    assert not Bootstrap(moved).is_current()


def test_this_python_has_a_pip_to_start_from() -> None:
    wheel = bootstrap.bundled_pip()
    assert wheel is not None
    assert wheel.name.startswith("pip-")


@pytest.mark.parametrize("name", [*bootstrap.MAIN_MODULES, *bootstrap.EXECUTOR_MODULES])
def test_what_is_compiled_at_the_installation_is_there(name: str) -> None:
    assert find_spec(name) is not None


def test_what_the_command_starts_writes_bytecode(clone: Bootstrap, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(sys, "argv", ["bootstrap.py", str(clone.root), "status"])
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(os, "execv", lambda *_: seen.append(dict(os.environ)))
    bootstrap.main()
    assert "PYTHONDONTWRITEBYTECODE" not in seen[0]
