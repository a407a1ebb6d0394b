"""Prometheus' own program reads the alerts, the configuration and every expression of the dashboard."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

MONITORING = Path(__file__).resolve().parents[3] / "deploy" / "monitoring"
PROMTOOL = shutil.which("promtool")
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
# What happens over time, and which alerts there are at a moment of it.
STORIES: list[dict[str, Any]] = [
    {
        "series": {'drover_stream_oldest_seconds{stream="job-events"}': "31+15x30"},
        "moment": "4m",
        "alerts": {"DroverEventsLate": [{"severity": "page"}]},
    },
    {
        "series": {'drover_stream_oldest_seconds{stream="job-events"}': "31x3 0x30"},
        "moment": "4m",
        "alerts": {"DroverEventsLate": []},
    },
    {
        "series": {'drover_executors{alive="yes"}': "1x4 0x30", 'drover_executors{alive="no"}': "0x4 1x30"},
        "moment": "9m",
        "alerts": {"DroverNoExecutors": [{"severity": "page"}]},
    },
    {
        "series": dict.fromkeys(
            ("drover_launch_to_start_seconds_count", "drover_ingest_events_total", "drover_log_chunks_total"),
            "0x30",
        ),
        "moment": "4m",
        "alerts": {"DroverServiceGone": [{"severity": "page", "service": "scheduler"}]},
    },
]
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed (Debian's package prometheus has it)"
)


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(
        [str(PROMTOOL), *arguments], cwd=MONITORING, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_prometheus_reads_its_configuration_and_the_alerts() -> None:
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", "alerts.yml")


@needs_promtool
def test_every_expression_of_the_dashboard_can_be_read(tmp_path: Path) -> None:
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(expressions)
    ]
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", file)


@needs_promtool
@pytest.mark.parametrize("story", STORIES, ids=lambda story: ",".join(story["alerts"]))
def test_alerts_fire_when_they_should(story: dict[str, Any], tmp_path: Path) -> None:
    test = {
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in story["series"].items()],
        "alert_rule_test": [
            {"eval_time": story["moment"], "alertname": name, "exp_alerts": expected(name, labels, story)}
            for name, labels in story["alerts"].items()
        ],
    }
    file = tmp_path / "story.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(MONITORING / "alerts.yml")], "tests": [test]}))
    promtool("test", "rules", file)


def expected(name: str, labels: list[dict[str, str]], story: dict[str, Any]) -> list[dict[str, Any]]:
    """With the texts that the rule makes of its value at that moment."""
    [rule] = [
        rule
        for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
        for rule in group["rules"]
        if rule["alert"] == name
    ]
    seconds = 31 + 15 * int(story["moment"].removesuffix("m"))
    told = f"{seconds // 60}m {seconds % 60}s"
    annotations = {
        key: text.replace("{{ $value | humanizeDuration }}", told)
        for key, text in rule["annotations"].items()
    }
    return [
        {
            "exp_labels": one,
            "exp_annotations": {
                key: text.replace("{{ $labels.service }}", one.get("service", ""))
                for key, text in annotations.items()
            },
        }
        for one in labels
    ]


def test_the_dashboard_is_one_that_grafana_can_lay_out() -> None:
    """Ids are unique, every source is the dashboard's own variable, and no panel lies on another."""
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    [source] = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["datasource"] == {"type": "prometheus", "uid": f"${{{source}}}"}
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
