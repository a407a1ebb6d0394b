"""Links: what can be done next with what an answer names."""

from collections.abc import Sequence

from drover_api.document.operations import Document, Operation


def add(found: Sequence[Operation]) -> None:
    """From each 201 that names an id to everything below its path, and from jobs to their runs."""
    for one in found:
        made = one.body["responses"].get("201")
        if one.method == "post" and made is not None:
            made["links"] = _below(one, found)
    for one in found:
        if one.path == "/api/v1/jobs/{job_id}" and one.method == "get":
            one.body["responses"]["200"]["links"] = _run_links(found)


def _below(one: Operation, found: Sequence[Operation]) -> Document:
    """`POST /things` → `/things/{id}` and `/things/{id}/…`, as far as no further parameter is needed."""
    collection = "/api/v1/jobs" if one.path.endswith("/relaunch") else one.path
    outer = {name: f"$request.path.{name}" for name in _parameters(collection)}
    links: Document = {}
    for other in found:
        rest = other.path.removeprefix(collection)
        own = _parameters(rest)
        if rest != other.path and rest.startswith("/{") and len(own) == 1 and other is not one:
            links[str(other.body["operationId"])] = {
                "operationId": other.body["operationId"],
                "parameters": {**outer, own[0]: "$response.body#/id"},
            }
    return links


def _run_links(found: Sequence[Operation]) -> Document:
    prefix = "/api/v1/job-runs/{run_id}"
    return {
        str(other.body["operationId"]): {
            "operationId": other.body["operationId"],
            "parameters": {"run_id": "$response.body#/current_run_id"},
        }
        for other in found
        if other.path.startswith(prefix)
    }


def _parameters(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]
