"""Which files of a project are taken for playbooks."""

from pathlib import Path

import pytest
from drover_executor.project import contents as module
from drover_executor.project.contents import contents

PLAY = "- hosts: all\n  tasks: []\n"
FILES = {
    "site.yml": PLAY,
    "plays/deep/web.yaml": "---\n# a comment\n- name: first\n  hosts: web\n",
    "all.yml": "- import_playbook: site.yml\n",
    "fqcn.yml": "- ansible.builtin.import_playbook: site.yml\n",
    "secret.yml": "$ANSIBLE_VAULT;1.1;AES256\n6162\n",
    "vars.yml": "hostsfile: x\n",
    "hosts.txt": PLAY,
    "roles/web/tasks/main.yml": PLAY,
    "tasks/one.yml": PLAY,
    "group_vars/all.yml": "hosts: 3\n",
    ".github/ci.yml": PLAY,
    ".hidden.yml": PLAY,
}


def make(root: Path) -> None:
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_files_that_look_like_playbooks(tmp_path: Path) -> None:
    root = tmp_path / "project"
    make(root)
    (tmp_path / "outside.yml").write_text(PLAY)
    (root / "link.yml").symlink_to(tmp_path / "outside.yml")
    (root / "folder").symlink_to(tmp_path)
    (root / "binary.yml").write_bytes(bytes(range(256)) * 10)
    assert contents(root, "a" * 40) == {
        "scm_revision": "a" * 40,
        "playbooks": ["all.yml", "fqcn.yml", "plays/deep/web.yaml", "secret.yml", "site.yml"],
        "truncated": False,
    }


def test_a_huge_project_is_cut_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path)
    monkeypatch.setattr(module, "MAX_PLAYBOOKS", 2)
    found = contents(tmp_path, None)
    assert len(found["playbooks"]) == 2
    assert found["truncated"] is True
