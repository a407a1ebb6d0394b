"""The fact cache: by inventory and host, bounded, and gone with its host."""

from datetime import timedelta
from typing import Any

import pytest
from drover_api.deps import Deps
from drover_api.internal import facts as module
from drover_shared.db.models import HostFacts
from flask import Flask
from sqlalchemy import func, update
from support.api import Api, token_for
from support.executor_client import Executor, ending
from support.job_rows import QueuedJob, add_queued_job


@pytest.fixture
def organization(admin: Api) -> int:
    made: int = admin.make("/organizations", name="Acme")["id"]
    return made


def inventory(admin: Api, organization: int, *hosts: str, **kind: Any) -> int:
    made: int = admin.make("/inventories", name=f"of {hosts} {kind}", organization_id=organization, **kind)[
        "id"
    ]
    for host in hosts:
        admin.make(f"/inventories/{made}/hosts", name=host)
    return made


def queue(deps: Deps, inventory_id: int, **values: Any) -> QueuedJob:
    with deps.sessions.begin() as db:
        return add_queued_job(db, inventory_id=inventory_id, **{"use_fact_cache": True, **values})


def given(run: Api, after: str = "") -> dict[str, Any]:
    """What a run is given, all pages of it."""
    page = run.get(f"/facts?after={after}").get_json()
    facts = {one["host"]: one["facts"] for one in page["items"]}
    return facts | (given(run, page["next"]) if page["next"] else {})


def body(**facts: Any) -> dict[str, Any]:
    return {"hosts": [{"host": host, "facts": one} for host, one in facts.items()]}


def test_facts_go_from_one_job_to_the_next(
    executor: Executor, api_deps: Deps, admin: Api, organization: int, api_app: Flask
) -> None:
    mine = inventory(admin, organization, "web1", "web2", "web3")
    first, second = (queue(api_deps, mine) for _ in range(2))
    run = executor.claim(first)
    assert run.get("/manifest").get_json()["use_fact_cache"] is True
    run.post("/start", {})
    assert given(run) == {}
    all_three = body(web1={"a": 1}, web2={"a": {"b": ["\x00"]}}, web3={"a": 3}, nobody={"a": 4})
    assert run.put("/facts", all_three).get_json() == {"kept": 3}
    assert run.put("/facts", all_three).get_json() == {"kept": 3}
    assert run.put("/facts", body(web1={"a": 10}, web3=None)).get_json() == {"kept": 1}
    run.post("/finish", ending())
    assert run.put("/facts", all_three).status_code == 410

    assert given(executor.claim(second)) == {"web1": {"a": 10}, "web2": {"a": {"b": ["\ufffd"]}}}
    listed = admin.get(f"/inventories/{mine}/facts?order_by=-bytes").get_json()
    assert [(one["host"], one["job_id"]) for one in listed["items"]] == [
        ("web2", first.job_id),
        ("web1", first.job_id),
    ]
    assert "facts" not in listed["items"][0]
    assert admin.get(f"/inventories/{mine}/facts?name=WEB2").get_json()["total"] == 1
    shown = admin.get(f"/inventories/{mine}/facts/web1").get_json()
    assert (shown["facts"], shown["bytes"]) == ({"a": 10}, len('{"a": 10}'))
    hosts = admin.get(f"/inventories/{mine}/hosts").get_json()["items"]
    ids = {host["name"]: host["id"] for host in hosts}
    assert admin.get(f"/inventories/{mine}/hosts/{ids['web1']}/facts").get_json() == shown
    assert admin.get(f"/inventories/{mine}/hosts/{ids['web3']}/facts").status_code == 404
    stranger = Api(api_app.test_client(), token_for(api_deps, "stranger"))
    for path in ("facts", "facts/web1", f"hosts/{ids['web1']}/facts"):
        assert stranger.get(f"/inventories/{mine}/{path}").status_code == 404

    admin.patch(f"/inventories/{mine}/hosts/{ids['web1']}", {"variables": {"x": 1}})
    assert admin.get(f"/inventories/{mine}/facts/web1").status_code == 200
    admin.patch(f"/inventories/{mine}/hosts/{ids['web1']}", {"name": "web9"})
    admin.delete(f"/inventories/{mine}/hosts/{ids['web2']}")
    admin.make(f"/inventories/{mine}/hosts", name="web2")
    assert admin.get(f"/inventories/{mine}/facts").get_json()["total"] == 0


def test_too_old_not_wanted_or_too_large(
    executor: Executor, api_deps: Deps, admin: Api, organization: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = inventory(admin, organization, "web1", "web2")
    run = executor.claim(queue(api_deps, mine))
    assert run.put("/facts", body(web1={"a": 1}, web2={"a": 2})).status_code == 200
    with api_deps.sessions.begin() as db:
        older = func.now() - timedelta(seconds=90)
        db.execute(update(HostFacts).where(HostFacts.host == "web1").values(gathered_at=older))
    assert set(given(executor.claim(queue(api_deps, mine, fact_cache_timeout_seconds=60)))) == {"web2"}
    assert set(given(executor.claim(queue(api_deps, mine, fact_cache_timeout_seconds=120)))) == {
        "web1",
        "web2",
    }
    without = executor.claim(queue(api_deps, mine, use_fact_cache=False))
    assert given(without) == {}
    assert without.put("/facts", body(web1={})).status_code == 422

    monkeypatch.setattr(module, "MAX_HOST_BYTES", 100)
    assert run.put("/facts", body(web1={"a": "x" * 100})).status_code == 422
    for name in ("../web1", ".web1", "", "x" * 300):
        assert run.put("/facts", body(**{name: {}})).status_code == 422
    assert run.put("/facts", {"hosts": [{"host": "web1", "facts": [1]}]}).status_code == 422
    monkeypatch.setattr(module, "MAX_BATCH_BYTES", 10)
    page = run.get("/facts").get_json()
    assert ([one["host"] for one in page["items"]], page["next"]) == (["web1"], "web1")
    assert set(given(run)) == {"web1", "web2"}


def test_inventories_whose_hosts_are_elsewhere(
    executor: Executor, api_deps: Deps, admin: Api, organization: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Facts of a project's hosts are kept by name; a constructed inventory also finds those of its inputs."""
    project = admin.make(
        "/projects", name="site", organization_id=organization, scm_url="https://git.example.com/site.git"
    )
    source = {"kind": "scm", "source_project_id": project["id"], "source_path": "hosts"}
    run = executor.claim(queue(api_deps, inventory(admin, organization, **source)))
    assert run.put("/facts", body(a={"x": 1}, b={"x": 1})).get_json() == {"kept": 2}
    monkeypatch.setattr(module, "MAX_HOSTS", 3)
    assert run.put("/facts", body(a={"x": 2}, c={"x": 2}, d={"x": 2})).get_json() == {"kept": 2}
    assert given(run) == {"a": {"x": 2}, "b": {"x": 1}, "c": {"x": 2}}

    held = inventory(admin, organization, "web1", "web2")
    executor.claim(queue(api_deps, held)).put("/facts", body(web1={"x": 1}, web2={"x": 1}))
    made = inventory(admin, organization, kind="constructed", input_inventory_ids=[held])
    run = executor.claim(queue(api_deps, made))
    run.put("/facts", body(web2={"x": 2}))
    assert given(run) == {"web1": {"x": 1}, "web2": {"x": 2}}
    assert given(executor.claim(queue(api_deps, held)))["web2"] == {"x": 1}

    gone = inventory(admin, organization, "gone")
    run = executor.claim(queue(api_deps, gone))
    run.put("/facts", body(gone={"x": 1}))
    assert admin.delete(f"/inventories/{gone}").status_code == 204
    assert run.put("/facts", body(gone={"x": 1})).get_json() == {"kept": 0}
