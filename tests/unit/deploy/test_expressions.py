"""Each expression of the alerts and of the dashboard is one, of metrics and labels that the services have."""

import json
from pathlib import Path

import promql_parser
import pytest
import yaml
from support.metric_docs import labels

MONITORING = Path(__file__).resolve().parents[3] / "deploy" / "monitoring"
ALERTS: dict[str, str] = {
    rule["alert"]: rule["expr"]
    for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
PANELS: dict[str, str] = {
    f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "1m")
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    for target in panel["targets"]
}
# What Prometheus itself adds to whatever it fetches.
OF_PROMETHEUS = {"job", "instance"}


class Speaks:
    """Collects what an expression speaks of, and what of it there is not."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.grouped: set[str] = set()
        self.faults: list[str] = []

    def visit(self, node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            self._selector(node)
        elif isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            self.grouped |= set(node.modifier.labels)
        elif isinstance(node, promql_parser.BinaryExpr) and node.modifier is not None:
            matching = node.modifier.matching
            self.grouped |= set(matching.labels) if matching is not None else set()
        return True

    def _selector(self, node: promql_parser.VectorSelector) -> None:
        have = {**labels(), "up": set()}.get(str(node.name))
        if have is None:
            self.faults.append(f"no metric {node.name}")
            return
        self.known |= have | OF_PROMETHEUS
        used = {matcher.name for matcher in node.matchers.matchers}
        self.faults += [f"{node.name} has no label {name}" for name in used - have - OF_PROMETHEUS]


def faults(expression: str) -> list[str]:
    """Raises ValueError where the expression is none."""
    speaks = Speaks()
    promql_parser.walk(promql_parser.parse(expression), speaks.visit)
    return speaks.faults + [f"nothing has a label {name}" for name in speaks.grouped - speaks.known]


@pytest.mark.parametrize("name", [*ALERTS, *PANELS])
def test_it_speaks_of_what_there_is(name: str) -> None:
    assert faults({**ALERTS, **PANELS}[name]) == []


@pytest.mark.parametrize(
    ("expression", "count"),
    [
        ("sum by (stream) (rate(drover_stream_entries_total[5m]))", 0),
        ("sum by (queue) (rate(drover_stream_entries_total[5m]))", 1),
        ("drover_stream_length{streams='x'} > 1", 1),
        ("drover_stream_len > 1", 1),
        ("histogram_quantile(0.99, sum by (le) (rate(drover_stream_lag_seconds_bucket[5m])))", 0),
    ],
)
def test_what_there_is_not_is_seen(expression: str, count: int) -> None:
    assert len(faults(expression)) == count


@pytest.mark.parametrize("expression", ["rate(drover_dead_letters)", "sum(drover_dead_letters", "up{job=}"])
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        promql_parser.parse(expression)
