"""Facts that one playbook gathered, in the next one."""

import json
from pathlib import Path

from drover_shared.masking import MASK
from support.executor import make_project, manifest
from support.fake_api import FakeApi, FakeRun

from .conftest import StartExecutor

GATHER = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.setup: {gather_subset: ["!all", env]}
      when: inventory_hostname == "web01"
    - ansible.builtin.set_fact:
        mine: {deep: ["{{ 1 + 1 }}"], braces: !unsafe "{{ 1 + 1 }}"}
        password: "{{ secret }}"
        cacheable: true
    - ansible.builtin.set_fact: {gone: true}
"""
USE = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ ansible_facts.mine | default('nothing') | to_json }} {{ mine is defined }}"
    - ansible.builtin.set_fact: {later: 1, cacheable: true}
      when: inventory_hostname == "web02"
- hosts: web03
  gather_facts: false
  tasks:
    - ansible.builtin.meta: clear_facts
"""

KEPT = "job-runs/facts"


def test_a_playbook_finds_what_another_gathered(
    api: FakeApi, start_executor: StartExecutor, tmp_path: Path
) -> None:
    """The project's own cache is not used for it; secrets are masked, braces stay braces."""
    config = f"[defaults]\nfact_caching = jsonfile\nfact_caching_connection = {tmp_path}/own\n"
    files = {"gather.yml": GATHER, "use.yml": USE, "ansible.cfg": config}
    project = make_project(tmp_path / "project", files)
    executor = start_executor()

    def play(name: str, facts: dict[str, object]) -> FakeRun:
        book = {"type": "scm", "project_id": 9, "playbook_path": name}
        variables = {"secret": "a password of a test"}
        task = manifest(
            project, playbook=book, use_fact_cache=True, extra_vars=variables, secret_vars=["secret"]
        )
        run = executor.launch(FakeRun(task, facts=facts))
        assert api.wait_end(run)["state"] == "successful", run.log.decode()
        return run

    away = [True]
    api.fault = lambda method, what: 503 if (method, what) == ("PUT", KEPT) and away and away.pop() else None
    first = play("gather.yml", {})
    mine = {"deep": [2], "braces": "{{ 1 + 1 }}"}
    assert sorted(first.kept) == ["web01", "web02", "web03"]
    assert first.kept["web02"] == {"mine": mine, "password": MASK}
    assert "ansible_env" in first.kept["web01"]
    assert "a password" not in json.dumps(first.kept)
    assert api.requests.count(f"PUT {KEPT}") == 2, "it was away, and asked again"

    api.fault = lambda _method, _what: None
    second = play("use.yml", dict(first.kept))
    told = [event["data"]["msg"] for event in second.of_type("TASK_OK") if "msg" in event["data"]]
    assert [json.loads(text.rpartition(" ")[0]) for text in told] == [mine] * 3
    assert all(text.endswith(" True") for text in told)
    assert set(second.kept) == {"web02", "web03"}
    assert second.kept["web03"] is None
    assert second.kept["web02"]["later"] == 1
    assert second.kept["web02"]["mine"] == mine
    assert not list(executor.folder.rglob("facts*"))
