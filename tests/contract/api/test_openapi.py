"""The OpenAPI document is valid, complete, and made without any server."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from drover_api.app import create_app
from drover_api.deps import make_deps
from drover_api.document.operations import resolved
from drover_api.settings import ApiSettings
from drover_shared.settings import S3Settings
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from support.specification import (
    ENVIRONMENT,
    EVENT,
    HOST_SUMMARY,
    INVENTORY,
    JOB,
    LOG_CHUNK,
    MANIFEST,
    RUN,
    TEMPLATE,
    USER,
)

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def client() -> Iterator[FlaskClient]:
    settings = ApiSettings(
        database_url="postgresql+psycopg2://nobody@127.0.0.1:1/none",
        redis_url="redis://127.0.0.1:1/0",
        s3=S3Settings("http://127.0.0.1:1", "bucket", "access", "secret"),
        secret_keys=(f"k1:{Fernet.generate_key().decode()}",),
        registration_token="token",
    )
    deps = make_deps(settings)
    yield create_app(deps).test_client()
    deps.close()


@pytest.fixture(scope="module")
def document(client: FlaskClient) -> dict[str, Any]:
    read: dict[str, Any] = client.get("/api/v1/openapi.json").get_json()
    return read


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_the_page_needs_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/api/v1/docs")
    assert page.mimetype == "text/html"
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {path.rpartition(".")[2] for path in assets} == {"js", "css"}
    for text in (page.text, *(client.get(path).text for path in assets)):
        assert text
        assert not re.search(r"https?:|[\"'(]//", text)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_every_operation_has_id_summary_and_responses(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation.get("operationId"), where
        assert operation.get("summary"), where
        assert any(status.startswith(("2", "3")) for status in operation["responses"]), where
        assert "default" in operation["responses"], where
        if method in ("post", "patch", "put") and "requestBody" in operation:
            for content in operation["requestBody"]["content"].values():
                assert content["schema"], where


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)


def test_errors_are_documented_as_problems(document: dict[str, Any]) -> None:
    error = document["components"]["responses"]["DEFAULT_ERROR"]["content"]
    assert list(error) == ["application/problem+json"]


def test_no_schema_was_renamed_to_avoid_a_clash(document: dict[str, Any]) -> None:
    names = list(document["components"]["schemas"])
    assert not [name for name in names if name[-1].isdigit()], names


def media_of(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every media type that is sent or answered, and where."""
    for path, method, operation in operations(document):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            yield f"{method} {path}: request", media
        for status, answer in operation["responses"].items():
            for media in resolved(document, answer).get("content", {}).values():
                yield f"{method} {path}: {status}", media


def test_every_body_has_an_example_that_its_schema_allows(document: dict[str, Any]) -> None:
    found = list(media_of(document))
    assert len(found) > 500
    for where, media in found:
        schema = {**media["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(media["example"])
        assert media["example"] not in ({}, None), where


def test_the_specifications_examples_are_the_documents(document: dict[str, Any]) -> None:
    def shown(path: str, method: str, status: str) -> Any:
        return document["paths"][path][method]["responses"][status]["content"]["application/json"]["example"]

    for path, example in (
        ("/api/v1/users/{id}", USER),
        ("/api/v1/inventories/{id}", INVENTORY),
        ("/api/v1/job-templates/{id}", TEMPLATE),
        ("/api/v1/execution-environments/{id}", ENVIRONMENT),
        ("/api/v1/jobs/{job_id}", JOB),
        ("/api/v1/job-runs/{run_id}", RUN),
        ("/internal/api/v1/job-runs/{run_id}/manifest", MANIFEST),
    ):
        found = shown(path, "get", "200")
        assert {key: found[key] for key in example} == example, path
    for path, example in (
        ("/api/v1/jobs/{job_id}/events", EVENT),
        ("/api/v1/jobs/{job_id}/host-summaries", HOST_SUMMARY),
        ("/api/v1/job-runs/{run_id}/log-chunks", LOG_CHUNK),
    ):
        [found] = shown(path, "get", "200")["items"]
        assert {key: found[key] for key in example} == example, path


def test_every_operation_names_its_errors(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        where, named = f"{method} {path}", set(operation["responses"])
        assert {"401", "503"} <= named, where
        assert ("404" in named) == ("{" in path or where == "get /api/v1/session"), where
        assert ("415" in named) == ("requestBody" in operation), where
        assert ("412" in named) == any(one["name"] == "If-Match" for one in operation["parameters"]), where


def test_answers_link_to_what_can_be_done_next(document: dict[str, Any]) -> None:
    links = document["paths"]["/api/v1/jobs"]["post"]["responses"]["201"]["links"]
    assert {"get_job", "cancel_job", "list_job_events", "delete_job"} <= set(links)
    assert links["get_job"]["parameters"] == {"job_id": "$response.body#/id"}
    hosts = document["paths"]["/api/v1/inventories/{inventory_id}/hosts"]["post"]["responses"]["201"]["links"]
    assert hosts["get_host"]["parameters"] == {
        "inventory_id": "$request.path.inventory_id",
        "host_id": "$response.body#/id",
    }


def test_patterns_are_those_of_ecma_262(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    assert "\\\\Z" not in text
    assert "\\\\A" not in text


def test_a_patch_may_clear_what_is_optional(document: dict[str, Any]) -> None:
    fields = document["components"]["schemas"]["ExecutionEnvironmentBodyPatch"]["properties"]
    assert fields["description"]["type"] == ["string", "null"]
    assert fields["name"]["type"] == "string"


def test_changes_take_merge_patches(document: dict[str, Any]) -> None:
    patches = [(path, op) for path, method, op in operations(document) if method == "patch"]
    assert patches
    for path, operation in patches:
        assert "application/merge-patch+json" in operation["requestBody"]["content"], path
