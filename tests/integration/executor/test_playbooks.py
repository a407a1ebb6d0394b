"""A playbook through a real executor: what it reports is what bare Ansible does."""

import re
from pathlib import Path

from support.executor import bare_run, make_project, manifest, remaining
from support.fake_api import FakeApi, FakeRun

from .conftest import StartExecutor

SITE = """
- name: Configure
  hosts: all
  gather_facts: false
  tasks:
    - name: Greet
      ansible.builtin.debug:
        msg: "hello {{ inventory_hostname }} ü"
    - name: Loop
      ansible.builtin.command: echo {{ item }}
      loop: [1, 2]
      notify: Handle
    - name: Skip
      ansible.builtin.command: "false"
      when: false
    - name: Ignore
      ansible.builtin.command: "false"
      ignore_errors: true
  handlers:
    - name: Handle
      ansible.builtin.debug:
        msg: handled
"""


def test_success(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    executor = start_executor()
    run = executor.launch(FakeRun(manifest(project)))
    end = api.wait_end(run)
    assert end["state"] == "successful", executor.log
    rc, output = bare_run(project, tmp_path)
    assert rc == end["exit_code"] == 0
    assert _timeless(run.log) == _timeless(output)
    assert remaining(run) == []


def _timeless(output: bytes) -> bytes:
    return re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+|0:00:0\d\.\d+", b"TIME", output)
