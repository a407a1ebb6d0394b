"""The Kubernetes manifests of an overlay, rendered as for a cluster, and what they let speak with what."""

import subprocess
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
Manifest = dict[str, Any]


@cache
def render(overlay: str) -> list[Manifest]:
    command = ["kubectl", "kustomize", str(ROOT / "deploy" / "kubernetes" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return list(yaml.safe_load_all(done.stdout))


def of_kind(overlay: str, *kinds: str) -> dict[str, Manifest]:
    return {one["metadata"]["name"]: one for one in render(overlay) if one["kind"] in kinds}


def workloads(overlay: str) -> dict[str, Manifest]:
    return of_kind(overlay, "Deployment", "StatefulSet", "Job")


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def labels_of(workload: Manifest) -> dict[str, str]:
    """Those of its pods."""
    return dict(workload["spec"]["template"]["metadata"]["labels"])


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """A LabelSelector of `matchLabels` and of `In`. Raises AssertionError for another operator."""
    expressions = selector.get("matchExpressions", [])
    assert {one["operator"] for one in expressions} <= {"In"}
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(one["key"]) in one["values"] for one in expressions
    )


class Network:
    """What a cluster that enforces an overlay's NetworkPolicies lets through, by TCP.

    The rules are Kubernetes' own: a pod that some policy selects for a direction may do there what any of
    them allows, and nothing else; both ends have to allow a connection.
    """

    def __init__(self, overlay: str) -> None:
        self._policies = [one["spec"] for one in of_kind(overlay, "NetworkPolicy").values()]
        self._pods = {name: labels_of(one) for name, one in workloads(overlay).items()}

    def allows(self, source: str, target: str, port: int) -> bool:
        """From pods of a workload to those of another; the source may be `namespace:NAME`."""
        outward = source not in self._pods or self._may("egress", source, target, port)
        return outward and self._may("ingress", target, source, port)

    def lets_out(self, source: str, address: str, port: int) -> bool:
        """From pods of a workload to an address outside of the cluster."""
        return self._may("egress", source, address, port)

    def _may(self, direction: str, pod: str, peer: str, port: int) -> bool:
        mine = [
            policy
            for policy in self._policies
            if direction.capitalize() in policy["policyTypes"]
            and selects(policy["podSelector"], self._pods[pod])
        ]
        side = "to" if direction == "egress" else "from"
        return not mine or any(
            self._is_port(rule, port) and (side not in rule or any(self._is(peer, one) for one in rule[side]))
            for policy in mine
            for rule in policy.get(direction, [])
        )

    @staticmethod
    def _is_port(rule: Manifest, port: int) -> bool:
        ports = [one["port"] for one in rule.get("ports", []) if one.get("protocol", "TCP") == "TCP"]
        return "ports" not in rule or port in ports

    def _is(self, peer: str, one: Manifest) -> bool:
        if "ipBlock" in one:
            # For pods by their address too: a network may give them any.
            inside = peer in self._pods or ip_address(peer) in ip_network(one["ipBlock"]["cidr"])
            out = one["ipBlock"].get("except", [])
            return inside and (peer in self._pods or not any(ip_address(peer) in ip_network(x) for x in out))
        if "namespaceSelector" in one:
            assert "podSelector" not in one
            return (
                peer == f"namespace:{one['namespaceSelector']['matchLabels']['kubernetes.io/metadata.name']}"
            )
        return peer in self._pods and selects(one["podSelector"], self._pods[peer])
