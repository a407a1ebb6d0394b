"""A playbook through a real executor: what it reports is what bare Ansible does."""

import re
from pathlib import Path

from drover_shared.domain.events import counts_of_event, counts_of_stats
from support.executor import bare_run, git, inventory, make_project, manifest, remaining
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
      ansible.builtin.debug:
        msg: "{{ item }}"
      loop: [1, 2]
      changed_when: item == 2
      notify: Handle
    - name: Skip
      ansible.builtin.debug:
      when: false
    - name: Ignore
      ansible.builtin.command: "false"
      ignore_errors: true
      when: inventory_hostname == "web01"
    - name: Write
      ansible.builtin.copy:
        content: "{{ inventory_hostname }}"
        dest: "{{ target }}/{{ inventory_hostname }}"
        mode: "0600"
      when: inventory_hostname == "web01"
    - name: Hide
      ansible.builtin.debug:
        msg: not to be seen
      no_log: true
    - name: Rescue
      block:
        - name: Break
          ansible.builtin.fail:
            msg: broken
      rescue:
        - name: Mend
          ansible.builtin.debug:
            msg: mended
    - name: Fail
      ansible.builtin.fail:
        msg: this host fails
      when: inventory_hostname == "web02"
  handlers:
    - name: Handle
      ansible.builtin.debug:
        msg: handled
# On one host: Ansible tells of a retry in another thread than of another host's result, in either order.
- name: Again
  hosts: web03
  gather_facts: false
  tasks:
    - name: Retry
      ansible.builtin.debug:
      retries: 1
      delay: 0
      until: false
      ignore_errors: true
"""

UNREACHABLE = """
[all]
web01 ansible_connection=local
web02 ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1 ansible_ssh_retries=0
"""


def test_reports_what_bare_ansible_does(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    executor = start_executor()
    targets = [tmp_path / "ours", tmp_path / "bares"]
    for target in targets:
        target.mkdir()
    options = {"extra_vars": {"target": str(targets[0])}, "diff_mode": True, "forks": 1}
    run = executor.launch(FakeRun(manifest(project, **options)))
    end = api.wait_end(run)

    rc, output = bare_run(project, tmp_path, "--diff", "--forks=1", f"--extra-vars=target={targets[1]}")
    assert (end["state"], end["exit_code"], end["error_reason"]) == ("failed", rc, "playbook_failed")
    assert _comparable(run.log, tmp_path) == _comparable(output, tmp_path)
    assert run.revision == git(project, "rev-parse", "HEAD").strip()
    assert sorted(run.events) == list(range(1, end["last_seq"] + 1))
    assert run.doubles == 0
    assert remaining(run) == []
    assert list((executor.folder / "runs").iterdir()) == []
    _check_events(run, output)


def _check_events(run: FakeRun, output: bytes) -> None:
    events = run.in_order()
    assert all(
        list(event)
        == [
            "seq",
            "timestamp",
            "event_type",
            "host",
            "task_name",
            "play_name",
            "stdout_snippet",
            "data",
        ]
        for event in events
    )
    assert events[0]["event_type"] == "JOB_STARTED"
    assert events[-1]["event_type"] == "JOB_COMPLETED"
    assert events[-1]["data"] == {"rc": 2, "status": "failed"}
    per_task = [(event["task_name"], event["host"]) for event in run.of_type("TASK_OK")]
    assert len(per_task) == len(set(per_task))
    assert ("Handle", "web01") in per_task
    assert len(run.of_type("TASK_ITEM_OK")) == 6
    assert [event["host"] for event in run.of_type("TASK_RETRY")] == ["web03"]
    assert [event["host"] for event in run.of_type("FILE_DIFF")] == ["web01"]
    skipped = [event for event in run.of_type("TASK_SKIPPED") if event["task_name"] == "Skip"]
    assert len(skipped) == 3
    hidden = next(event for event in run.of_type("TASK_OK") if event["task_name"] == "Hide")
    assert "not to be seen" not in str(hidden)
    assert "censored" in hidden["data"]
    greeted = next(event for event in run.of_type("TASK_OK") if event["host"] == "web01")
    assert greeted["data"]["msg"] == "hello web01 ü"
    assert greeted["stdout_snippet"].startswith("ok: [web01] =>")
    assert (greeted["task_name"], greeted["play_name"]) == ("Greet", "Configure")
    _check_recap(run, output)


def _check_recap(run: FakeRun, output: bytes) -> None:
    """STATS is Ansible's printed recap, and the sum of the events but for what was rescued."""
    counts = counts_of_stats(run.of_type("STATS")[0]["data"])
    plain = re.sub(rb"\x1b\[[0-9;]*m", b"", output).decode()
    for host in ("web01", "web02", "web03"):
        line = re.search(rf"^{host}\s+: (.*)$", plain, re.MULTILINE)
        assert line is not None
        recap = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", line[1])}
        found = counts[host]
        assert {key: getattr(found, key) for key in recap} == recap
        summed = [
            counts_of_event(event["event_type"], event["data"])
            for event in run.in_order()
            if event["host"] == host
        ]
        assert sum(one.ok for one in summed if one) == recap["ok"]
        assert sum(one.changed for one in summed if one) == recap["changed"]
        assert sum(one.failed for one in summed if one) == recap["failed"] + recap["rescued"]


def _comparable(output: bytes, tmp_path: Path) -> bytes:
    """Without times, process ids and the two runs' own paths."""
    output = re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+|\d:\d\d:\d\d\.\d+", b"TIME", output)
    output = re.sub(re.escape(str(tmp_path)).encode() + rb"/[^ \n\"']*/(site|web)", rb"PATH/\1", output)
    return re.sub(rb"/[^ \n\"']*/tmp\w+/", b"TMP/", output)


def test_unreachable_host(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    site = "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: Ping\n      ansible.builtin.ping:\n"
    project = make_project(tmp_path / "project", {"site.yml": site})
    hosts = {"mode": "inline", "content": UNREACHABLE, "path": None}
    run = start_executor().launch(FakeRun(manifest(project, inventory=hosts)))
    end = api.wait_end(run)
    assert (end["state"], end["exit_code"], end["error_reason"]) == ("failed", 4, "playbook_failed")
    assert [event["host"] for event in run.of_type("HOST_UNREACHABLE")] == ["web02"]
    assert counts_of_stats(run.of_type("STATS")[0]["data"])["web02"].unreachable == 1


def test_syntax_error(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"site.yml": "- hosts: all\n  tasks: [\n"})
    run = start_executor().launch(FakeRun(manifest(project)))
    end = api.wait_end(run)
    assert (end["state"], end["error_reason"]) == ("failed", "playbook_syntax_error")
    rc, output = bare_run(project, tmp_path)
    assert end["exit_code"] == rc
    assert _comparable(run.log, tmp_path) == _comparable(output, tmp_path)
    assert [event["event_type"] for event in run.in_order()][-1] == "JOB_COMPLETED"
    assert "site.yml" in end["error_detail"]


def test_no_such_host_in_limit(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    run = start_executor().launch(FakeRun(manifest(project, limit="nowhere")))
    end = api.wait_end(run)
    assert (end["state"], end["error_reason"]) == ("failed", "inventory_invalid")


def test_a_limit_longer_than_an_argument_may_be(
    api: FakeApi, start_executor: StartExecutor, tmp_path: Path
) -> None:
    hello = "- hosts: all\n  gather_facts: false\n  tasks:\n    - debug: {msg: hello}\n"
    project = make_project(tmp_path / "project", {"site.yml": hello})
    pattern = ",".join(["all", *["!web02"] * 20_000, "!web03"])
    run = start_executor().launch(FakeRun(manifest(project, limit=pattern)))
    assert api.wait_end(run)["state"] == "successful"
    assert {event["host"] for event in run.of_type("TASK_OK")} == {"web01"}


def test_broken_inventory(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    hosts = {"mode": "inline", "content": "[all\n: : :", "path": None}
    run = start_executor().launch(FakeRun(manifest(project, inventory=hosts)))
    end = api.wait_end(run)
    assert (end["state"], end["error_reason"]) == ("failed", "inventory_invalid")


def test_inventory_of_the_project_limit_and_tags(
    api: FakeApi, start_executor: StartExecutor, tmp_path: Path
) -> None:
    site = """
- hosts: all
  gather_facts: false
  tasks:
    - {name: Chosen, ansible.builtin.debug: {var: role_of_host}, tags: [chosen]}
    - {name: How, ansible.builtin.debug: {msg: "{{ [ansible_check_mode, ansible_forks] }}"}, tags: [chosen]}
    - {name: Left out, ansible.builtin.debug: {msg: other}, tags: [chosen, slow]}
    - {name: Other, ansible.builtin.debug: {msg: other}, tags: [other]}
"""
    files = {
        "site.yml": site,
        "inventory/hosts.ini": inventory(),
        "inventory/group_vars/all.yml": "role_of_host: server\n",
        "ansible.cfg": "[defaults]\nstdout_callback = minimal\n",
    }
    project = make_project(tmp_path / "project", files)
    hosts = {"mode": "scm", "content": None, "path": "inventory/hosts.ini"}
    changes = {"inventory": hosts, "limit": "web01,web03", "tags": ["chosen"], "job_type": "check"}
    run = start_executor().launch(FakeRun(manifest(project, **changes, skip_tags=["slow"], forks=3)))
    end = api.wait_end(run)
    assert end["state"] == "successful"
    done = run.of_type("TASK_OK")
    assert {event["host"] for event in done} == {"web01", "web03"}
    assert {event["task_name"] for event in done} == {"Chosen", "How"}
    chosen, how = ([one["data"] for one in done if one["task_name"] == name] for name in ("Chosen", "How"))
    assert {data["role_of_host"] for data in chosen} == {"server"}
    assert [data["msg"] for data in how] == [[True, 3]] * 2
    assert b"SUCCESS" in run.log  # the project's own display callback


def test_much_output_and_a_forged_marker(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    site = r"""
- hosts: web01
  gather_facts: false
  tasks:
    - name: Much
      ansible.builtin.command: head -c 3000000 /dev/zero
    - name: Forged
      ansible.builtin.debug:
        msg: "\e[Ke30=\e[4D\e[K"
"""
    project = make_project(tmp_path / "project", {"site.yml": site})
    run = start_executor().launch(FakeRun(manifest(project, verbosity=1)))
    end = api.wait_end(run)
    assert end["state"] == "successful", run.log[-3000:]
    rc, output = bare_run(project, tmp_path, "-v")
    assert rc == 0
    assert _comparable(run.log, tmp_path) == _comparable(output, tmp_path)
    much = next(event for event in run.of_type("TASK_OK") if event["task_name"] == "Much")
    assert much["data"]["truncated"] is True
    assert len(run.of_type("TASK_OK")) == 2


def test_start_at_a_task_and_variables_that_are_data(
    api: FakeApi, start_executor: StartExecutor, tmp_path: Path
) -> None:
    """A template's own variables may hold templates; what a launch gave may not."""
    site = """
- hosts: web01
  gather_facts: false
  tasks:
    - {name: First, ansible.builtin.debug: {msg: first}}
    - name: Second
      ansible.builtin.debug:
        msg: ["{{ own }}", "{{ given }}", "{{ deep.answer }}"]
"""
    project = make_project(tmp_path / "project", {"site.yml": site})
    evil = "{{ lookup('pipe', 'echo run') }}"
    changes = {
        "start_at_task": "Sec*",
        "extra_vars": {"own": "{{ inventory_hostname }}", "given": evil, "deep": {"answer": evil}},
        "untrusted_vars": ["deep", "given"],
    }
    run = start_executor().launch(FakeRun(manifest(project, **changes)))
    assert api.wait_end(run)["state"] == "successful", run.log.decode()
    assert [event["task_name"] for event in run.of_type("TASK_OK")] == ["Second"]
    assert run.of_type("TASK_OK")[0]["data"]["msg"] == ["web01", evil, evil]
