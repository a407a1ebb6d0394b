"""Everything a job put out, read page by page over the public API."""

from typing import Any

import httpx
from drover_shared.domain.events import HostCounts, counts_of_event


def all_events(client: httpx.Client, job_id: int) -> list[dict[str, Any]]:
    """Every event of the job's current run, in the order of seq."""
    return _all_pages(client, f"/jobs/{job_id}/events", 0)


def all_chunks(client: httpx.Client, run_id: str) -> list[dict[str, Any]]:
    """Every chunk of a run's log, in the order of seq."""
    return _all_pages(client, f"/job-runs/{run_id}/log-chunks", -1)


def _all_pages(client: httpx.Client, path: str, before_first: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        after = found[-1]["seq"] if found else before_first
        page = client.get(path, params={"after_seq": after, "limit": 200})
        items = page.raise_for_status().json()["items"]
        if not items:
            return found
        found.extend(items)


def host_summaries(client: httpx.Client, job_id: int) -> dict[str, HostCounts]:
    page = client.get(f"/jobs/{job_id}/host-summaries", params={"limit": 200})
    kinds = ("ok", "changed", "failed", "skipped", "unreachable", "rescued", "ignored")
    return {
        item["host"]: HostCounts(**{kind: item[kind] for kind in kinds})
        for item in page.raise_for_status().json()["items"]
    }


def log_bytes(client: httpx.Client, job_id: int) -> bytes:
    return client.get(f"/jobs/{job_id}/log", params={"format": "ansi"}).raise_for_status().content


def counts_from(events: list[dict[str, Any]]) -> dict[str, HostCounts]:
    """Host summaries counted again from the events alone."""
    counts: dict[str, HostCounts] = {}
    for event in events:
        added = counts_of_event(event["event_type"], event["data"])
        if added is not None:
            counts[event["host"]] = counts.get(event["host"], HostCounts()) + added
    return counts


def assert_complete(client: httpx.Client, job: dict[str, Any]) -> list[dict[str, Any]]:
    """Nothing of the job's output is missing or double; returns its events."""
    events = all_events(client, job["id"])
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["event_type"] == "JOB_STARTED"
    assert events[-1]["event_type"] == "JOB_COMPLETED"
    assert {event["job_run_id"] for event in events} == {job["current_run_id"]}
    assert counts_from(events) == host_summaries(client, job["id"])
    chunks = all_chunks(client, job["current_run_id"])
    assert [chunk["seq"] for chunk in chunks] == list(range(len(chunks)))
    assert sum(chunk["byte_length"] for chunk in chunks) == len(log_bytes(client, job["id"]))
    return events
