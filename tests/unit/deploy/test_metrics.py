"""Dashboards, alerts and the page of metrics name what the services serve, and nothing else."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.metric_docs import MODULES, series, table, written

ROOT = Path(__file__).resolve().parents[3]
MONITORING = ROOT / "deploy" / "monitoring"
NAME = re.compile(r"\bdrover_[a-z_]+\b")
RULES = [
    rule
    for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
PANELS: list[dict[str, Any]] = json.loads((MONITORING / "dashboard.json").read_text())["panels"]


def test_the_page_lists_every_metric() -> None:
    assert written() == table(), "cd tests && python -m support.metric_docs"


def test_every_module_that_makes_metrics_is_among_them() -> None:
    made = {
        ".".join(path.relative_to(folder).with_suffix("").parts)
        for folder in [ROOT / "shared" / "src", *(ROOT / "services").glob("*/src")]
        for path in folder.rglob("*.py")
        if re.search(r"= (Counter|Gauge|Histogram|Summary)\(", text := path.read_text())
        and not re.search(r"^from collections import .*Counter", text, re.MULTILINE)
    }
    assert made == MODULES.keys()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_speaks_of_metrics_that_there_are(rule: dict[str, Any]) -> None:
    names = set(NAME.findall(rule["expr"]))
    assert names <= series()
    assert names or rule["expr"].startswith("up{")
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"].keys() == {"summary", "description"}
    help_ = (ROOT / "docs" / "operations" / "troubleshooting.md").read_text()
    assert f"`{rule['alert']}`" in help_


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_a_panel_shows_metrics_that_there_are(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        names = set(NAME.findall(target["expr"]))
        assert names
        assert names <= series()


def test_what_an_operator_must_see_is_shown() -> None:
    shown = {name for panel in PANELS for target in panel["targets"] for name in NAME.findall(target["expr"])}
    assert shown >= {
        "drover_stream_length",
        "drover_stream_oldest_seconds",
        "drover_ingest_events_total",
        "drover_launch_to_start_seconds_bucket",
        "drover_runs_oldest_heartbeat_seconds",
        "drover_scheduler_lost_runs_total",
        "drover_stream_retries_total",
        "drover_dead_letters",
        "drover_object_store_errors_total",
        "drover_http_request_seconds_bucket",
    }


def test_prometheus_looks_for_every_service() -> None:
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    names = {name for job in config["scrape_configs"] for sd in job["dns_sd_configs"] for name in sd["names"]}
    assert names == {"api", "scheduler", "event-ingest", "log-store", "executor"}
    assert config["rule_files"] == ["alerts.yml"]
