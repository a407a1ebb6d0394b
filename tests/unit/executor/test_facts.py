"""What is taken from Ansible's fact cache, whatever a playbook left there."""

import json
from pathlib import Path
from typing import Any

import pytest
from drover_executor.child import facts as module
from drover_executor.child.facts import FactFolder, plain
from drover_shared.masking import MASK, Masker


def put(folder: Path, name: str, facts: Any) -> None:
    """As Ansible does it: a new file in the place of the old one."""
    (folder / "new").write_text(json.dumps(facts))
    (folder / "new").rename(folder / name)


def wrapped(facts: Any) -> dict[str, str]:
    return {"__payload__": json.dumps(facts)}


def collected(cache: FactFolder, tmp_path: Path, *secrets: str) -> list[dict[str, Any]]:
    cache.collect(tmp_path / "out", Masker(secrets))
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600
    return [json.loads(line) for line in (tmp_path / "out").read_bytes().splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "facts"
    made.mkdir()
    return made


def test_only_what_changed_of_either_format(folder: Path, tmp_path: Path) -> None:
    for host in ("old", "new", "same", "cleared"):
        put(folder, host, {"a": 1})
        put(folder, f"s1_{host}", wrapped({"a": 1}))
    cache = FactFolder(folder)
    put(folder, "old", {"a": {"__ansible_unsafe": "x"}})
    put(folder, "s1_new", wrapped({"a": 2}))
    put(folder, "s1_s2_odd", wrapped({"a": 3}))
    put(folder, "s1_plain", {"a": 4})  # of a host with this name, by an Ansible that does not wrap
    (folder / "s1_cleared").unlink()
    found = collected(cache, tmp_path)
    assert {one["host"]: one["facts"] for one in found} == {
        "old": {"a": "x"},
        "new": {"a": 2},
        "s2_odd": {"a": 3},
        "s1_plain": {"a": 4},
        "cleared": None,
    }


def test_marks_beside_values_go_and_secrets_are_masked(folder: Path, tmp_path: Path) -> None:
    origin = [{"path": "/p.yml", "line_num": 4, "__ansible_type": "Origin"}]
    mark = {"tags": origin, "__ansible_type": "_AnsibleTaggedDict"}
    when = {"__ansible_type": "datetime", "iso8601": "2025-12-10T09:00:00Z"}
    assert plain({"a": {"value": {"b": [1, {"value": 2, **mark}]}, **mark}, "t": when}) == {
        "a": {"b": [1, 2]},
        "t": when,
    }
    cache = FactFolder(folder)
    put(folder, "s1_web01", wrapped({"ansible_env": {"TOKEN": "a long secret"}, "lone": "\ud800"}))
    found = collected(cache, tmp_path, "a long secret")
    assert found == [{"host": "web01", "facts": {"ansible_env": {"TOKEN": MASK}, "lone": "\ufffd" * 3}}]


def test_what_is_no_facts_is_left_out(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HOST_BYTES", 100)
    monkeypatch.setattr(module, "MAX_RUN_BYTES", 165)
    cache = FactFolder(folder)
    (tmp_path / "secret").write_text('{"a": "from outside"}')
    (folder / "linked").symlink_to(tmp_path / "secret")
    (folder / "folder").mkdir()
    (folder / "broken").write_text("{")
    (folder / "list").write_text("[1]")
    (folder / "tmpab12cd3_").write_text('{"a": 1}')
    put(folder, "s1_large", wrapped({"a": "x" * 100}))
    for number in range(4):
        put(folder, f"s1_fits{number}", wrapped({"a": "x" * 20}))
    found = collected(cache, tmp_path)
    assert found[-1] == {"left_out": 2}
    assert [one["host"] for one in found[:-1]] == ["fits3", "fits2", "fits1"]


def test_a_folder_that_was_replaced_gives_nothing(folder: Path, tmp_path: Path) -> None:
    cache = FactFolder(folder)
    outside = tmp_path / "outside"
    outside.mkdir()
    put(outside, "web01", {"a": "from outside"})
    folder.rmdir()
    folder.symlink_to(outside)
    assert collected(cache, tmp_path) == []
