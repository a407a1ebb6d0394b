from pathlib import Path

import pytest
from drover_cli.demo.project import checked_git, make_repository
from drover_cli.local.errors import LocalError


def test_a_revision_is_made_only_of_a_change(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "roles").mkdir(parents=True)
    (source / "site.yml").write_text("one")
    (source / "roles" / "old.yml").write_text("old")
    first = make_repository(source, target)
    assert make_repository(source, target) == first

    (source / "roles" / "old.yml").unlink()
    (source / "site.yml").write_text("two")
    second = make_repository(source, target)
    assert second != first
    assert checked_git(target, "ls-tree", "-r", "--name-only", second).split() == ["site.yml"]
    assert checked_git(target, "status", "--porcelain") == ""


def test_the_persons_own_git_settings_have_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gitconfig").write_text("[commit]\n\tgpgsign = true\n[gpg]\n\tprogram = /bin/false\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "site.yml").write_text("one")
    assert make_repository(tmp_path / "source", tmp_path / "target")


def test_what_git_says_is_told(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="git rev-parse failed"):
        checked_git(tmp_path, "rev-parse", "HEAD")


def test_a_missing_git_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalError, match="git is not installed"):
        checked_git(tmp_path, "status")
