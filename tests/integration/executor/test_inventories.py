"""Inventories as Ansible itself reads them: files, folders, scripts, plug-ins, of this project or another."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.executor import commit, make_project, manifest
from support.fake_api import FakeApi, FakeRun

from .conftest import StartExecutor

SITE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Tell
      ansible.builtin.debug:
        msg: "{{ {'groups': group_names | sort, 'colour': colour, 'size': size | default('none'),
                  'from_play': from_play | default('none'), 'all': groups['all'] | sort} }}"
"""
SCRIPT = """#!{python}
import json, sys
hosts = {{"script01": {{"ansible_connection": "local", "colour": "of the script"}}}}
print(json.dumps({{"scripted": {{"hosts": list(hosts)}}, "_meta": {{"hostvars": hosts}}}}))
"""
PLUGIN = """
from ansible.plugins.inventory import BaseInventoryPlugin

class InventoryModule(BaseInventoryPlugin):
    NAME = "ours"

    def verify_file(self, path):
        return path.endswith("ours.yml")

    def parse(self, inventory, loader, path, cache=True):
        inventory.add_group("plugged")
        inventory.add_host("plugin01", group="plugged")
        inventory.set_variable("plugin01", "ansible_connection", "local")
"""
FILES = {
    "ansible.cfg": "[defaults]\ninventory_plugins = plugins/inventory\n"
    "[inventory]\nenable_plugins = ours, ansible.builtin.host_list, script, auto, yaml, ini\n",
    "plugins/inventory/ours.py": PLUGIN,
    "hosts/1-hosts.ini": "[web]\nweb01\nweb02 colour=of_the_host\n[db]\ndb01\n"
    "[site:children]\nregion\n[region:children]\nweb\ndb\n[all:vars]\nansible_connection=local\n",
    "hosts/2-script": SCRIPT.format(python=sys.executable),
    "hosts/3-ours.yml": "plugin: ours\n",
    "hosts/4-built.yml": "plugin: ansible.builtin.constructed\nstrict: false\n"
    "groups:\n  built: \"'web' in group_names\"\n",
    "hosts/group_vars/all.yml": "colour: of all\n",
    "hosts/group_vars/site.yml": "colour: of the site\nsize: of the site\n",
    "hosts/group_vars/web.yml": "size: of the web\n",
    "hosts/group_vars/db.yml": "colour: of the databases\n",
    "hosts/group_vars/built.yml": "size: of what is built\n",
    "hosts/host_vars/web01.yml": "colour: of web01's file\n",
    "group_vars/db.yml": "from_play: beside the playbook\nsize: beside the playbook\n",
    "site.yml": SITE,
}


def make_inventories(folder: Path, files: dict[str, str]) -> Path:
    project = make_project(folder, files)
    for script in project.glob("**/2-script"):
        script.chmod(0o755)
    commit(project)
    return project


def _told(events: list[dict[str, Any]]) -> dict[str, Any]:
    return {event["host"]: event["data"]["msg"] for event in events}


def _bare(project: Path, inventory: Path, *options: str) -> dict[str, Any]:
    """What Ansible alone says of each host."""
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/root"),
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        ["ansible-playbook", "-i", inventory, *options, "site.yml"],
        cwd=project,
        env=env,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    told: dict[str, Any] = {}
    for part in done.stdout.split("\nok: [")[1:]:
        host, _, rest = part.partition("] => ")
        told[host] = json.JSONDecoder().raw_decode(rest)[0]["msg"]
    return told


def test_a_folder_of_the_project(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    """INI, script, plug-in and constructed in one folder, nested groups, and Ansible's own precedence."""
    project = make_inventories(tmp_path / "project", FILES)
    hosts = {"mode": "scm", "content": None, "path": "hosts", "project": None}
    run = start_executor().launch(FakeRun(manifest(project, inventory=hosts)))
    end = api.wait_end(run)
    assert end["state"] == "successful", run.log.decode()
    told = _told(run.of_type("TASK_OK"))
    assert told == _bare(project, project / "hosts")
    assert set(told) == {"web01", "web02", "db01", "script01", "plugin01"}
    assert told["web01"]["groups"] == ["built", "region", "site", "web"]
    assert (told["web01"]["colour"], told["web02"]["colour"]) == ("of web01's file", "of_the_host")
    assert told["web01"]["size"] == "of the web"
    assert (told["db01"]["colour"], told["db01"]["from_play"]) == ("of the databases", "beside the playbook")


def test_another_project_and_a_smart_limit(
    api: FakeApi, start_executor: StartExecutor, tmp_path: Path
) -> None:
    playbooks = make_project(tmp_path / "playbooks", {"site.yml": SITE, "ansible.cfg": FILES["ansible.cfg"]})
    inventory = {name: text for name, text in FILES.items() if name.startswith("hosts/")}
    del inventory["hosts/3-ours.yml"]
    other = make_inventories(tmp_path / "inventory", inventory)
    source = manifest(other)["project"]
    hosts = {"mode": "scm", "content": None, "path": "hosts", "project": source}
    limit = "all,!db,&region,&~web0[1-2]"
    executor = start_executor()
    run = executor.launch(FakeRun(manifest(playbooks, inventory=hosts, limit=limit)))
    assert api.wait_end(run)["state"] == "successful", run.log.decode()
    told = _told(run.of_type("TASK_OK"))
    assert told == _bare(playbooks, other / "hosts", "--limit", limit)
    assert set(told) == {"web01", "web02"}
    assert told["web02"]["colour"] == "of_the_host"

    hosts = {**hosts, "path": "../playbooks/site.yml"}
    outside = executor.launch(FakeRun(manifest(playbooks, inventory=hosts)))
    assert api.wait_end(outside)["error_reason"] == "inventory_invalid"


def test_a_file_of_the_executor(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    """One that its operator keeps, with the variables beside it; none outside of the operator's folders."""
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    kept = tmp_path / "kept"
    (kept / "group_vars").mkdir(parents=True)
    (kept / "hosts").write_text("[web]\nweb01 ansible_connection=local\n")
    (kept / "group_vars/web.yml").write_text("colour: of the operator\n")
    executor = start_executor()
    hosts = {"mode": "file", "content": None, "path": str(kept / "hosts")}
    run = executor.launch(FakeRun(manifest(project, inventory=hosts)))
    assert api.wait_end(run)["state"] == "successful", run.log.decode()
    assert _told(run.of_type("TASK_OK"))["web01"]["colour"] == "of the operator"
    for path in ("/etc/hosts", f"{kept}/../../../../../../etc/hosts", ""):
        hosts = {"mode": "file", "content": None, "path": path}
        run = executor.launch(FakeRun(manifest(project, inventory=hosts)))
        assert api.wait_end(run)["error_reason"] == "inventory_invalid"
