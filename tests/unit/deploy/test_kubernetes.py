"""What deploy/kubernetes promises: rendered as for a cluster, and held against the API's own schemas."""

import ipaddress
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml
from drover_shared.messages.streams import EVENTS_STREAM, LOGS_STREAM
from drover_shared.queue import SCHEDULER_QUEUE, pool_queue
from support.manifests import ROOT, containers, of_kind, render, workloads

SERVICES = ("api", "scheduler", "event-ingest", "log-store", "executor")
KUBERNETES = "1.32"
KEDA = yaml.safe_load((Path(__file__).parent / "keda.schema.yaml").read_text())

pytestmark = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl, which renders the overlays, is not installed"
)


BOTH = pytest.mark.parametrize("overlay", ["small", "production"])


@BOTH
def test_every_object_is_as_the_api_wants_it(overlay: str) -> None:
    for one in render(overlay):
        if one["apiVersion"].startswith("keda.sh/"):
            jsonschema.validate(one, KEDA)
        else:
            kubernetes_validate.validate(one, KUBERNETES, strict=True)


def test_a_misspelled_key_is_noticed() -> None:
    [one] = [one for one in render("small") if one["kind"] == "Namespace"]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**one, "specs": {}}, KUBERNETES, strict=True)
    [one, *_] = of_kind("production", "ScaledObject").values()
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**one, "spec": {**one["spec"], "minReplicas": 1}}, KEDA)


@BOTH
def test_every_pod_meets_the_restricted_standard(overlay: str) -> None:
    assert of_kind(overlay, "Namespace")["drover"]["metadata"]["labels"][
        "pod-security.kubernetes.io/enforce"
    ] == ("restricted")
    for name, workload in workloads(overlay).items():
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in containers(pod):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name


@BOTH
@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_probed_spread_and_protected(overlay: str, name: str) -> None:
    pod = workloads(overlay)[name]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["startupProbe"]
    assert pod["topologySpreadConstraints"]
    budget = of_kind(overlay, "PodDisruptionBudget")[name]["spec"]
    assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": {"app": name}}}


@BOTH
def test_pods_wait_for_the_migration_that_a_job_does(overlay: str) -> None:
    [first] = workloads(overlay)["migrate"]["spec"]["template"]["spec"]["initContainers"]
    assert first["command"] == ["python", "-m", "drover_shared.db.migrate"]
    for name in ("api", "scheduler", "event-ingest", "log-store"):
        [waiting] = workloads(overlay)[name]["spec"]["template"]["spec"]["initContainers"]
        assert waiting["command"][-2:] == ["drover_shared.db.migrate", "wait"]


@BOTH
def test_each_pod_holds_no_secret_but_those_it_reads(overlay: str, tmp_path: Path) -> None:
    subprocess.run([ROOT / "deploy" / "make-env", tmp_path / "env"], check=True, capture_output=True)
    made = {path.name for path in (tmp_path / ".secrets").iterdir()}
    for name, workload in workloads(overlay).items():
        pod = workload["spec"]["template"]["spec"]
        [secrets] = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
        held = {item["key"] for item in secrets["items"]}
        assert held <= made, name
        variables = [entry for container in containers(pod) for entry in container.get("env", [])]
        used = {value["value"].rpartition("/")[2] for value in variables if value["name"].endswith("_FILE")}
        assert held == (used if name != "redis" else {"redis-users"}), name
        assert not [one for one in variables if re.search(r"(PASSWORD|KEYS?|TOKEN|_URL)$", one["name"])], name
    executor = workloads(overlay)["executor"]["spec"]["template"]["spec"]["volumes"]
    [own] = [volume["secret"]["items"] for volume in executor if "secret" in volume]
    assert {item["key"] for item in own} == {"redis-url-executor", "registration-token"}


@BOTH
def test_settings_are_those_that_the_code_reads(overlay: str) -> None:
    listed = set(re.findall(r"^#?(DROVER_\w+)=", (ROOT / "deploy" / "env.example").read_text(), re.MULTILINE))
    given = set(of_kind(overlay, "ConfigMap")["settings"]["data"])
    for workload in workloads(overlay).values():
        for container in containers(workload["spec"]["template"]["spec"]):
            given |= {entry["name"].removesuffix("_FILE") for entry in container.get("env", [])}
    assert {name for name in given if name.startswith("DROVER_")} <= listed


@BOTH
def test_only_the_public_api_has_a_way_in(overlay: str) -> None:
    [ingress] = of_kind(overlay, "Ingress").values()
    paths = [path["path"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
    assert paths == ["/api/"]
    assert not [one for one in render(overlay) if one["kind"] == "Service" and "type" in one["spec"]]
    closed = of_kind(overlay, "NetworkPolicy")["nothing-else"]["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert "tls" in ingress["spec"] or overlay == "small"


@BOTH
def test_executors_reach_neither_database_nor_objects(overlay: str) -> None:
    """By name nowhere; by address they may leave, and the servers' own policies do not let them in."""
    policies = of_kind(overlay, "NetworkPolicy")
    for name in ("database", "objects", "servers"):
        if name in policies:
            [chosen] = policies[name]["spec"]["podSelector"]["matchExpressions"]
            assert "executor" not in chosen["values"]
    for name in {"postgres", "minio"} & policies.keys():
        [rule] = policies[name]["spec"]["ingress"]
        assert "executor" not in rule["from"][0]["podSelector"]["matchExpressions"][0]["values"]


@BOTH
def test_executors_do_not_reach_the_clouds_metadata(overlay: str) -> None:
    """Which tells whoever asks from a machine that machine's own credentials, at one address everywhere."""
    rules = of_kind(overlay, "NetworkPolicy")["executor"]["spec"]["egress"]
    blocks = [to["ipBlock"] for rule in rules for to in rule["to"] if "ipBlock" in to]
    assert [block["cidr"] for block in blocks] == ["0.0.0.0/0"]
    refused = [ipaddress.ip_network(net) for net in blocks[0]["except"]]
    assert any(ipaddress.ip_address("169.254.169.254") in net for net in refused)


def test_small_brings_its_servers_and_production_does_not() -> None:
    servers = {"postgres", "redis", "minio"}
    assert servers <= workloads("small").keys()
    assert not servers & workloads("production").keys()
    assert {name: workloads("small")[name]["spec"]["replicas"] for name in SERVICES} == dict.fromkeys(
        SERVICES, 1
    )


def test_load_decides_how_many_there_are_in_production() -> None:
    scaled = of_kind("production", "ScaledObject")
    processor = of_kind("production", "HorizontalPodAutoscaler")
    assert scaled.keys() | processor.keys() == set(SERVICES)
    for name in SERVICES:
        assert "replicas" not in workloads("production")[name]["spec"], "two would fight over the number"
    for name, one in scaled.items():
        target = one["spec"]["scaleTargetRef"]
        assert (target["name"], target["kind"]) == (name, workloads("production")[name]["kind"])
        assert one["spec"]["minReplicaCount"] >= 2


def test_scalers_watch_the_streams_and_queues_of_the_code() -> None:
    scaled = of_kind("production", "ScaledObject")
    watched = {
        name: next(trigger for trigger in one["spec"]["triggers"] if trigger["type"] != "cpu")
        for name, one in scaled.items()
    }
    assert watched["event-ingest"]["type"] == watched["log-store"]["type"] == "redis-streams"
    assert watched["event-ingest"]["metadata"]["stream"] == EVENTS_STREAM
    assert watched["log-store"]["metadata"]["stream"] == LOGS_STREAM
    assert watched["scheduler"]["metadata"]["listName"] == SCHEDULER_QUEUE
    assert watched["executor"]["metadata"]["listName"] == pool_queue("default").name
