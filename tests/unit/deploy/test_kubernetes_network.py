"""What the manifests refer to is there; their policies let through what is meant to be, and nothing else."""

import shutil
from itertools import product
from typing import Any

import pytest
from support.manifests import Manifest, Network, containers, labels_of, of_kind, render, selects, workloads

pytestmark = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl, which renders the overlays, is not installed"
)
BOTH = pytest.mark.parametrize("overlay", ["small", "production"])
SERVERS = {"postgres": 5432, "redis": 6379, "minio": 9000}
# Who speaks to which server of the small overlay.
USES = {
    "api": {"postgres", "redis", "minio"},
    "scheduler": {"postgres", "redis", "minio"},
    "log-store": {"postgres", "redis", "minio"},
    "event-ingest": {"postgres", "redis"},
    "migrate": {"postgres"},
    "executor": {"redis"},
}
FROM_OUTSIDE = {
    ("namespace:ingress-nginx", "api"): 8080,
    ("namespace:monitoring", "api"): 8080,
    **{
        ("namespace:monitoring", name): 8081
        for name in ("scheduler", "event-ingest", "log-store", "executor")
    },
}


def references(value: Any) -> set[tuple[str, str]]:
    """(kind, name) of the objects that a pod cannot start without, wherever it names them."""
    found: set[tuple[str, str]] = set()
    if isinstance(value, dict):
        for key, kind in (
            ("configMapRef", "ConfigMap"),
            ("configMapKeyRef", "ConfigMap"),
            ("configMap", "ConfigMap"),
        ):
            if isinstance(value.get(key), dict):
                found.add((kind, value[key]["name"]))
        if "claimName" in value:
            found.add(("PersistentVolumeClaim", value["claimName"]))
        if "serviceName" in value:
            found.add(("Service", value["serviceName"]))
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        found |= references(part)
    return found


@BOTH
def test_what_pods_need_is_there(overlay: str) -> None:
    there = {(one["kind"], one["metadata"]["name"]) for one in render(overlay)}
    for name, workload in workloads(overlay).items():
        assert references(workload["spec"]) <= there, name
        assert selects(workload["spec"].get("selector", {}), labels_of(workload)), name
        pod = workload["spec"]["template"]["spec"]
        volumes = {one["name"] for one in pod["volumes"]} | {
            one["metadata"]["name"] for one in workload["spec"].get("volumeClaimTemplates", [])
        }
        for container in containers(pod):
            assert {one["name"] for one in container.get("volumeMounts", [])} <= volumes, name


@BOTH
def test_what_selects_pods_finds_some(overlay: str) -> None:
    pods = [labels_of(one) for one in workloads(overlay).values()]
    for name, one in of_kind(overlay, "PodDisruptionBudget", "Service").items():
        chosen = one["spec"]["selector"]
        selector = chosen if one["kind"] == "PodDisruptionBudget" else {"matchLabels": chosen}
        assert any(selects(selector, labels) for labels in pods), name
    for name, one in of_kind(overlay, "HorizontalPodAutoscaler", "ScaledObject").items():
        assert one["spec"]["scaleTargetRef"]["name"] in workloads(overlay), name


@BOTH
def test_services_and_the_ingress_name_ports_that_are_served(overlay: str) -> None:
    services = of_kind(overlay, "Service")
    for name, service in services.items():
        pod = workloads(overlay)[name]["spec"]["template"]["spec"]
        served = {
            port[key]
            for one in pod["containers"]
            for port in one["ports"]
            for key in ("name", "containerPort")
        }
        for port in service["spec"]["ports"]:
            assert port.get("targetPort", port["port"]) in served, name
    for ingress in of_kind(overlay, "Ingress").values():
        for backend in backends(ingress):
            port = backend["service"]["port"]
            offered = services[backend["service"]["name"]]["spec"]["ports"]
            assert port.get("name", port.get("number")) in {
                one[key] for one in offered for key in ("name", "port")
            }


def backends(ingress: Manifest) -> list[Manifest]:
    return [path["backend"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]


def test_pods_reach_what_they_use_and_nothing_else() -> None:
    network = Network("small")
    ours = {*USES, *SERVERS}
    assert ours == workloads("small").keys()
    meant = {(name, server, SERVERS[server]) for name, servers in USES.items() for server in servers}
    meant |= {("executor", "api", 8080)}
    ports = {*SERVERS.values(), 8080, 8081}
    open_ = {
        (source, target, port)
        for source, target, port in product(ours, ours, ports)
        if source != target and network.allows(source, target, port)
    }
    assert open_ == meant


@BOTH
def test_from_outside_only_the_ingress_and_prometheus_come_in(overlay: str) -> None:
    network = Network(overlay)
    ports = {*SERVERS.values(), 8080, 8081}
    outside = {"namespace:ingress-nginx", "namespace:monitoring", "namespace:default"}
    open_ = {
        (source, target)
        for source, target, port in product(outside, workloads(overlay), ports)
        if network.allows(source, target, port)
    }
    assert open_ == FROM_OUTSIDE.keys()
    for (source, target), port in FROM_OUTSIDE.items():
        assert network.allows(source, target, port)


def test_production_reaches_servers_elsewhere_and_executors_their_hosts() -> None:
    network = Network("production")
    for name in ("api", "scheduler", "event-ingest", "log-store", "migrate"):
        assert network.lets_out(name, "10.1.2.3", 5432), name
        assert not network.lets_out(name, "192.0.2.1", 443), name
        assert not network.lets_out(name, "10.1.2.3", 22), name
    assert network.lets_out("executor", "192.0.2.1", 22)
    assert network.lets_out("executor", "10.1.2.3", 26379)
    assert not network.lets_out("executor", "169.254.169.254", 80)
