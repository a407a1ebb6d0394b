"""Facts on their whole way: gathered by one job, kept, shown, and found by a job that gathers none."""

from pathlib import Path

import httpx
from support.live import job_ended
from support.projects import World, local_hosts, make_repository

GATHER = "- hosts: all\n  gather_subset: ['!all', '!min', python]\n"
USE = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.debug: {msg: "{{ ansible_facts.python.version.major | default('none') }}"}
"""


def test_a_job_finds_what_another_gathered(world: World, client: httpx.Client, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    make_repository(folder, {"gather.yml": GATHER, "use.yml": USE})
    inventory = world.inventory("two", local_hosts("web1", "web2"))
    cached = {"use_fact_cache": True, "fact_cache_timeout_seconds": 3600}
    gather = world.template("gather", str(folder), "gather.yml", inventory, **cached)
    first = job_ended(client, world.launch(gather)["id"])
    assert (first["status"], first["use_fact_cache"]) == ("successful", True)
    facts = f"/inventories/{inventory['id']}/facts"
    kept = client.get(facts).json()["items"]
    assert [(one["host"], one["job_id"]) for one in kept] == [("web1", first["id"]), ("web2", first["id"])]
    shown = client.get(f"{facts}/web1").json()["facts"]
    assert shown["ansible_python"]["version"]["major"] == 3

    use = world.template("use", str(folder), "use.yml", inventory, **cached)
    second = job_ended(client, world.launch(use)["id"])
    assert second["status"] == "successful"
    events = client.get(f"/jobs/{second['id']}/events?event_type=TASK_OK").json()["items"]
    assert [event["data"]["msg"] for event in events] == [3, 3]
