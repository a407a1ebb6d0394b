"""A client that a public generator makes from the served document launches a job and reads its events."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.live import LiveStack, job_ended
from support.projects import World, local_hosts, make_repository

PACKAGE = "generated_drover_client"
SITE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Say it
      debug:
        msg: "{{ word }}"
"""


@pytest.fixture
def generated(stack: LiveStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The package that openapi-python-client writes; nothing in the document may be beyond it."""
    document = tmp_path / "openapi.json"
    document.write_bytes(httpx.get(f"{stack.url}/api/v1/openapi.json", timeout=30).content)
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it formats with ruff
    made = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
            *("--path", str(document), "--output-path", str(tmp_path / PACKAGE)),
        ],
        env={**os.environ, "PATH": tools},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    said = made.stdout + made.stderr
    assert made.returncode == 0, said
    assert "Unable to" not in said, said
    operations = [name for path in json.loads(document.read_text())["paths"].values() for name in path]
    modules = [path for path in (tmp_path / PACKAGE / "api").glob("*/*.py") if path.stem != "__init__"]
    assert len(modules) == len(operations)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module(PACKAGE)
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def test_a_generated_client_launches_and_reads(
    generated: Any, stack: LiveStack, world: World, client: httpx.Client, tmp_path: Path
) -> None:
    make_repository(tmp_path / "site", {"site.yml": SITE})
    inventory = world.inventory("two", local_hosts("one", "two"))
    template = world.template(
        "say", str(tmp_path / "site"), "site.yml", inventory, ask_extra_vars_on_launch=True
    )
    token = client.headers["Authorization"].removeprefix("Bearer ")
    mine = generated.AuthenticatedClient(base_url=stack.url, token=token, raise_on_unexpected_status=True)

    def part(name: str) -> Any:
        return importlib.import_module(f"{PACKAGE}.{name}")

    models = part("models")
    word = models.LaunchExtraVars.from_dict({"word": "hello"})
    body = models.Launch(job_template_id=template["id"], extra_vars=word)
    key = "one launch of a generated client"
    launch = part("api.launches.launch_job")
    job = launch.sync(client=mine, body=body, idempotency_key=key)
    assert isinstance(job, models.JobDetail)
    again = launch.sync_detailed(client=mine, body=body, idempotency_key=key)
    assert (again.status_code, again.parsed.id) == (201, job.id)
    assert again.headers["Idempotent-Replayed"] == "true"

    job_ended(client, job.id)
    ended = part("api.jobs.get_job").sync(job.id, client=mine)
    assert (ended.status, ended.summary.hosts_ok) == ("successful", 2)
    page = part("api.output.list_job_events").sync(job.id, client=mine, limit=200)
    assert page.total == len(page.items)
    assert [event.seq for event in page.items] == list(range(1, page.total + 1))
    told = [event for event in page.items if event.event_type == "TASK_OK"]
    assert {event.host for event in told} == {"one", "two"}
    assert {event.data["msg"] for event in told} == {"hello"}

    refused = launch.sync(client=mine, body=models.Launch(job_template_id=10**12))
    assert isinstance(refused, models.Problem)
    assert refused.errors[0].pointer == "/job_template_id"
