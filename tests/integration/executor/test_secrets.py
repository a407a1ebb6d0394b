"""A credential that is gone. That none is seen: `test_hundred_secrets`; vaults that open: `test_prompts`."""

from pathlib import Path

from support.executor import make_project, manifest
from support.fake_api import FakeApi, FakeRun

from .conftest import StartExecutor

SITE = "- hosts: web01\n  gather_facts: false\n"


def test_a_credential_that_is_gone(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    used = [{"id": number, "type": "", "name": ""} for number in (5, 7)]
    there = {5: {"type": "machine", "inputs": {"username": "deploy", "password": "a password"}}}
    run = FakeRun(manifest(project, credentials=used), credentials=there)
    end = api.wait_end(start_executor().launch(run))
    assert (end["state"], end["error_reason"]) == ("failed", "credential_error")
    assert end["error_detail"] == "Credential 7: This run uses no such credential."
