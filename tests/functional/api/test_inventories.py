"""Inventories: what is stored, imported and rendered is what Ansible sees."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from drover_api.deps import Deps
from drover_api.resources.inventories.render import snapshot
from support.ansible_inventory import ansible_sees
from support.api import Api

INI = """
plain ansible_host=10.0.0.1 x="a b" n=5 flag=True none=None yes=yes octal=010

[web]
web[01:03].example.com ansible_user=deploy  # three
[::1]:2222

[web:vars]
port = 8080
names = ["a", "b"]
quoted = "text"

[db]
db-a:2200

[site:children]
web
db

[all:vars]
everywhere=1
"""

YAML = """
all:
  vars: {everywhere: 1, day: 2020-01-02, text: "{{ inventory_hostname }}-x", smile: "😀"}
  hosts:
    plain: {n: 5, nested: {a: [1, 2.5, null, true]}}
  children:
    site:
      children:
        web:
          hosts: {"web[1:3]": {role: front}, plain: }
          vars: {port: 8080}
        db:
          hosts: {db-a: }
    other:
      children: {db: }
"""


@pytest.fixture
def inventory(admin: Api) -> dict[str, Any]:
    organization = admin.make("/organizations", name="Acme")
    return admin.make("/inventories", name="Production", organization_id=organization["id"])


def text_seen(text: str, folder: Path, name: str) -> dict[str, Any]:
    """What `ansible-inventory` reads from `text`."""
    source = folder / name
    source.write_text(text)
    return ansible_sees(source)


@pytest.mark.parametrize(("kind", "text"), [("ini", INI), ("yaml", YAML)])
def test_import_and_render_keep_what_text_seen(
    admin: Api, inventory: dict[str, Any], tmp_path: Path, kind: str, text: str
) -> None:
    path = f"/inventories/{inventory['id']}"
    answer = admin.post(f"{path}/import", {"format": kind, "content": text})
    assert answer.status_code == 200, answer.get_json()
    script = admin.get(f"{path}/script")
    assert script.mimetype == "application/yaml"
    expected = text_seen(text, tmp_path, f"given.{kind}")
    assert text_seen(script.get_data(as_text=True), tmp_path, "rendered.yaml") == expected


def test_import_merges_or_overwrites(admin: Api, inventory: dict[str, Any]) -> None:
    path = f"/inventories/{inventory['id']}"
    admin.post(f"{path}/import", {"format": "ini", "content": "[a]\nh1 x=1 y=1\nh2"})
    merged = admin.post(f"{path}/import", {"format": "ini", "content": "[b]\nh1 y=2"})
    assert merged.get_json() == {"hosts": 1, "groups": 1, "hosts_total": 2, "groups_total": 2}
    hosts = admin.get(f"{path}/hosts?order_by=name").get_json()["items"]
    assert [host["variables"] for host in hosts] == [{"x": 1, "y": 2}, {}]
    replaced = admin.post(f"{path}/import", {"format": "ini", "content": "[b]\nh1 y=2", "overwrite": True})
    assert replaced.get_json() == {"hosts": 1, "groups": 1, "hosts_total": 1, "groups_total": 1}
    assert admin.get(f"{path}/hosts").get_json()["items"][0]["variables"] == {"y": 2}


def test_text_that_is_wrong_is_named_and_stores_nothing(admin: Api, inventory: dict[str, Any]) -> None:
    path = f"/inventories/{inventory['id']}"
    for kind, text in (("ini", "h1\n[a\nh2"), ("yaml", 'all: {hosts: {h1: , h2: {x: "\\0"}}}')):
        answer = admin.post(f"{path}/import", {"format": kind, "content": text})
        assert answer.status_code == 422, answer.get_data(as_text=True)
        assert answer.get_json()["errors"][0]["pointer"].startswith("/content")
    assert admin.get(f"{path}/hosts").get_json()["total"] == 0
    assert admin.get(path).get_json()["version"] == inventory["version"]


def test_ten_thousand_hosts_in_one_request(admin: Api, inventory: dict[str, Any]) -> None:
    path = f"/inventories/{inventory['id']}"
    admin.make(f"{path}/groups", name="web")
    hosts = [
        {
            "name": f"web{n:05}.example.com",
            "variables": {"n": n, "ansible_host": f"10.0.{n >> 8}.{n & 255}"},
            "groups": ["web"],
        }
        for n in range(10_000)
    ]
    started = time.process_time()
    answer = admin.post(f"{path}/hosts/bulk", {"hosts": hosts})
    elapsed = time.process_time() - started
    assert answer.status_code == 201, answer.get_json()
    assert answer.get_json() == {"created": 10_000}
    assert elapsed < 6, elapsed  # seconds of work, whatever else the machine does
    assert (
        admin.get(f"{path}/hosts?limit=1&order_by=-name").get_json()["items"][0]["name"]
        == "web09999.example.com"
    )
    again = admin.post(f"{path}/hosts/bulk", {"hosts": hosts[:1]})
    assert again.status_code == 409
    assert "web00000.example.com" in again.get_json()["detail"]


def test_a_snapshot_is_made_once_for_each_version(
    admin: Api, inventory: dict[str, Any], api_deps: Deps
) -> None:
    path = f"/inventories/{inventory['id']}"
    host = admin.make(f"{path}/hosts", name="h1", variables={"a": 1})

    def frozen() -> tuple[int, str]:
        with api_deps.sessions.begin() as db:
            found = snapshot(db, inventory["id"])
            return found.id, found.manifest["content"]

    first = frozen()
    assert frozen() == first
    assert admin.patch(f"{path}/hosts/{host['id']}", {"description": "only words"}).status_code == 200
    assert frozen() == first
    assert admin.patch(f"{path}/hosts/{host['id']}", {"variables": {"a": 2}}).status_code == 200
    second = frozen()
    assert second[0] != first[0]
    assert json.loads(second[1])["all"]["hosts"] == {"h1": {"a": 2}}
    assert admin.patch(f"{path}/hosts/{host['id']}", {"enabled": False}).status_code == 200
    assert json.loads(frozen()[1])["all"]["hosts"] == {}


def test_groups_nest_but_not_in_circles(admin: Api, inventory: dict[str, Any]) -> None:
    path = f"/inventories/{inventory['id']}"
    a, b, c = (admin.make(f"{path}/groups", name=name)["id"] for name in "abc")
    assert admin.put(f"{path}/groups/{a}/children/{b}").status_code == 204
    assert admin.put(f"{path}/groups/{b}/children/{c}").status_code == 204
    assert admin.put(f"{path}/groups/{c}/children/{a}").status_code == 409
    assert admin.put(f"{path}/groups/{a}/children/{a}").status_code == 409
    host = admin.make(f"{path}/hosts", name="h1")["id"]
    assert admin.put(f"{path}/groups/{c}/hosts/{host}").status_code == 204
    assert admin.put(f"{path}/groups/{c}/hosts/{host}").status_code == 204
    assert admin.get(f"{path}/hosts?group_id={c}").get_json()["total"] == 1
    assert [g["name"] for g in admin.get(f"{path}/groups?parent_id={a}").get_json()["items"]] == ["b"]
    assert admin.delete(f"{path}/groups/{c}/hosts/{host}").status_code == 204
    assert admin.get(f"{path}/groups?host_id={host}").get_json()["total"] == 0
