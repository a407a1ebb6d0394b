"""The OpenAPI document is valid, complete, and made without any server."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from drover_api.app import create_app
from drover_api.deps import make_deps
from drover_api.settings import ApiSettings
from drover_shared.settings import S3Settings
from openapi_spec_validator import OpenAPIV31SpecValidator

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document() -> Iterator[dict[str, Any]]:
    settings = ApiSettings(
        database_url="postgresql+psycopg2://nobody@127.0.0.1:1/none",
        redis_url="redis://127.0.0.1:1/0",
        s3=S3Settings("http://127.0.0.1:1", "bucket", "access", "secret"),
        secret_keys=(f"k1:{Fernet.generate_key().decode()}",),
        registration_token="token",
    )
    deps = make_deps(settings)
    answer = create_app(deps).test_client().get("/api/v1/openapi.json")
    yield answer.get_json()
    deps.close()


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


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


def test_a_patch_may_clear_what_is_optional(document: dict[str, Any]) -> None:
    fields = document["components"]["schemas"]["ExecutionEnvironmentBodyPatch"]["properties"]
    assert fields["description"]["type"] == ["string", "null"]
    assert fields["name"]["type"] == "string"


def test_changes_take_merge_patches(document: dict[str, Any]) -> None:
    patches = [(path, op) for path, method, op in operations(document) if method == "patch"]
    assert patches
    for path, operation in patches:
        assert "application/merge-patch+json" in operation["requestBody"]["content"], path
