"""One trace holds a job: the request, its scheduling, the run, and the storing of what it put out."""

from pathlib import Path

import httpx
from support.collector import Collector, Span
from support.live import LiveStack, job_ended
from support.projects import World
from support.waiting import eventually

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


def test_a_trace_goes_from_the_request_to_the_last_event(
    collector: Collector,
    stack: LiveStack,
    world: World,
    client: httpx.Client,
    example_project: Path,
    example_inventory: str,
) -> None:
    inventory = world.inventory("fleet", example_inventory)
    template = world.template("roll-out", str(example_project), "site.yml", inventory)
    launched = client.post(
        "/jobs", json={"job_template_id": template["id"]}, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}
    )
    request_id = launched.headers["X-Request-Id"]
    job = job_ended(client, launched.json()["id"])

    def found() -> list[Span] | None:
        spans = [span for span in collector.spans if span.trace == TRACE]
        names = {span.name for span in spans}
        wanted = {"POST /api/v1/jobs", "schedule", "run", "store job-events", "store log-chunks"}
        finished = any(name.endswith("/finish") for name in names)
        return spans if finished and wanted <= names else None

    spans = eventually("all of the trace is exported", found, 60)
    [request] = [span for span in spans if span.name == "POST /api/v1/jobs"]
    assert (request.service, request.parent) == ("drover-api", PARENT)
    assert request.attributes["drover.request_id"] == request_id
    [scheduled] = [span for span in spans if span.name == "schedule"]
    assert (scheduled.service, scheduled.parent) == ("drover-scheduler", request.id)
    [run] = [span for span in spans if span.name == "run"]
    assert (run.service, run.parent) == ("drover-executor", request.id)
    assert run.attributes["drover.job_run_id"] == job["current_run_id"]
    stored = [span for span in spans if span.name.startswith("store ")]
    assert {(span.service, span.parent) for span in stored} == {
        ("drover-event-ingest", run.id),
        ("drover-log-store", run.id),
    }
    finishing = [span for span in spans if span.name.endswith("/finish")]
    assert {span.parent for span in finishing} == {run.id}
    text = repr(collector.spans)
    assert stack.home.secrets().registration_token not in text
