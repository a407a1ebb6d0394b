"""What every endpoint shares: health, problems, headers, the document."""

from drover_api.app import create_app
from drover_api.deps import make_deps
from drover_api.settings import ApiSettings
from flask import Flask
from support.api import Api
from support.servers import StackServers


def test_unknown_path_is_a_problem_with_the_request_id(anonymous: Api) -> None:
    answer = anonymous.get("/nowhere", headers={"X-Request-Id": "given-request-id"})
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"
    assert answer.headers["X-Request-Id"] == "given-request-id"
    assert answer.get_json()["request_id"] == "given-request-id"


def test_ready_names_every_dependency(api_app: Flask) -> None:
    answer = api_app.test_client().get("/readyz")
    assert answer.status_code == 200, answer.get_json()
    assert answer.get_json() == {
        "status": "ok",
        "checks": {"database": "ok", "queue": "ok", "object_store": "ok"},
    }


def test_live_and_metrics(api_app: Flask) -> None:
    client = api_app.test_client()
    assert client.get("/livez").get_json() == {"status": "ok", "checks": {"requests": "ok", "live": "ok"}}
    assert b"python_info" in client.get("/metrics").data


def test_openapi_and_docs_are_served(anonymous: Api) -> None:
    assert anonymous.get("/openapi.json").get_json()["openapi"] == "3.1.0"
    page = anonymous.get("/docs")
    assert page.mimetype == "text/html"
    assert b"https://" not in page.data


def test_the_application_connects_nothing_when_made(
    api_settings: ApiSettings, stack_servers: StackServers
) -> None:
    assert stack_servers.ports
    deps = make_deps(api_settings)
    create_app(deps)
    assert deps.engine.pool.checkedin() == 0  # type: ignore[attr-defined]
