"""What docker-compose.yml promises, read from the file itself."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = ("api", "scheduler", "event-ingest", "log-store", "executor")
SERVICE_AND_CODE = ["/opt/drover/bin/service", "/src"]


def test_only_the_gateway_is_published_and_only_on_this_machine() -> None:
    published = {name: body["ports"] for name, body in SERVICES.items() if "ports" in body}
    assert list(published) == ["gateway"]
    assert all(port.startswith("127.0.0.1:") for port in published["gateway"])


def test_the_executor_and_the_gateway_reach_neither_database_nor_objects() -> None:
    assert "data" not in SERVICES["executor"]["networks"]
    assert "data" not in SERVICES["gateway"]["networks"]
    assert SERVICES["postgres"]["networks"] == SERVICES["minio"]["networks"] == ["data"]


def test_the_executor_is_given_no_secret_but_its_own() -> None:
    assert set(SERVICES["executor"]["secrets"]) == {"redis-url-executor", "registration-token"}


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_are_files_each_given_to_whom_it_is_named_for(name: str) -> None:
    variables = SERVICES[name].get("environment", {})
    named = {
        str(value).removeprefix("/run/secrets/")
        for variable, value in variables.items()
        if variable.endswith("_FILE")
    }
    given = set(SERVICES[name].get("secrets", []))
    assert given == (named if name != "redis" else {"redis-users"})
    in_the_open = {variable for variable in variables if re.search(r"(PASSWORD|KEYS?|TOKEN|_URL)$", variable)}
    assert in_the_open <= {"DROVER_API_URL"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_hardened(name: str) -> None:
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in SERVICES[name]["security_opt"]
    assert SERVICES[name].get("read_only") or name == "minio"


@pytest.mark.parametrize("name", OURS)
def test_every_service_is_built_probed_and_can_be_multiplied(name: str) -> None:
    body = SERVICES[name]
    assert body["build"]["args"]["SERVICE"] == name
    assert body["healthcheck"]["test"][-1] == "/opt/drover/ready.py"
    assert "container_name" not in body
    assert all(how["condition"] != "service_started" for how in body["depends_on"].values())


@pytest.mark.parametrize("name", [*OURS, "migrate", "create-bucket"])
def test_for_work_on_the_code_a_service_runs_what_is_mounted(name: str) -> None:
    body = yaml.safe_load((ROOT / "docker-compose.dev.yml").read_text())["services"][name]
    code = name if name in OURS else "api"  # the others run the API's image
    assert body["volumes"] == ["./shared/src:/src/shared:ro", f"./services/{code}/src:/src/service:ro"]
    assert body["image"].endswith(f"-{code}:dev")
    if name in OURS:
        assert body["build"]["args"] == {"RELOAD": "yes"}
        assert body["entrypoint"][0] == "/opt/reload/bin/watchfiles"
        assert body["entrypoint"][-2:] == SERVICE_AND_CODE
