"""deploy/kubernetes: what kustomize makes of it, against strict schemas and against rules of our own."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from api.monitoring.queue import QueueCollector
from shared.settings import ROOT
from tests.deploy import pod_rules, wiring_rules
from tests.deploy.manifests import (
    BUILDS,
    KUBERNETES,
    Manifest,
    altered,
    build,
    example_secrets,
    named,
    of_kind,
    pod,
    tool,
)
from tests.deploy.pod_rules import Rule

_RULES = {rule.__name__: rule for rule in (*pod_rules.RULES, *wiring_rules.RULES)}


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    return {name: build(name, tmp_path_factory.mktemp("kustomize")) for name in BUILDS}


@pytest.fixture(scope="module")
def everything(builds: dict[str, list[Manifest]]) -> list[Manifest]:
    return builds["everything"]


_MISTAKES: list[tuple[str, str, str, Any]] = [
    ("Deployment", "catalog-api", "spec/replica", 2),
    ("Deployment", "catalog-api", "spec/replicas", "two"),
    ("Deployment", "catalog-worker", "spec/template/spec/containers/0/livenessProbe/httpget", {"path": "/live"}),
    ("StatefulSet", "catalog-redis", "spec/selector", None),
    ("NetworkPolicy", "catalog-api", "spec/ingress/0/from/0/podSelectors", {}),
    ("ScaledObject", "catalog-worker", "spec/minReplicas", 1),
    ("ScaledObject", "catalog-worker", "spec/triggers/0/metadata/targetValue", 5000),
    ("ScaledObject", "catalog-worker", "spec/scaleTargetRef/name", None),
    ("PodMonitor", "catalog-api", "spec/podMetricsEndpoints/0/bearer", "token"),
    ("PrometheusRule", "catalog", "spec/groups/0/rules/0/expression", "up"),
    ("PrometheusRule", "catalog", "spec/groups/1/rules/0/for", "soon"),
    ("Ingress", "catalog-api", "kind", "Egress"),
    ("TriggerAuthentication", "catalog-observer", "kind", "TriggerPermission"),
]


@pytest.fixture(scope="module")
def problems(builds: dict[str, list[Manifest]], everything: list[Manifest]) -> dict[str, list[str]]:
    """What the schemas refuse in each build, and in each manifest with a mistake: all in one run of the program."""
    cases = dict(builds)
    for mistake in _MISTAKES:
        manifest = named(everything, mistake[0], mistake[1])
        cases[str(mistake)] = [altered([manifest], *mistake)[0]]
    python = Path(tool("kubernetes-validate")).with_name("python")
    command = [str(python), str(ROOT / "tests/deploy/schemas.py")]
    ran = subprocess.run(command, input=json.dumps(cases, default=str), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, list[str]] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("name", BUILDS)
def test_every_resource_is_what_its_schema_allows(name: str, problems: dict[str, list[str]]) -> None:
    assert problems[name] == []


@pytest.mark.parametrize("mistake", _MISTAKES, ids=[f"{kind}-{path}" for kind, _, path, _ in _MISTAKES])
def test_the_schemas_refuse_what_is_wrong(mistake: tuple[str, str, str, Any], problems: dict[str, list[str]]) -> None:
    assert problems[str(mistake)] != []


@pytest.mark.parametrize("rule", _RULES.values(), ids=_RULES)
@pytest.mark.parametrize("name", BUILDS)
def test_every_rule_holds(name: str, rule: Rule, builds: dict[str, list[Manifest]]) -> None:
    assert list(rule(builds[name])) == []


_BROKEN: dict[str, list[tuple[str, str, str, Any]]] = {
    "probes": [("Deployment", "catalog-courier", "spec/template/spec/containers/0/readinessProbe", None)],
    "resources": [("StatefulSet", "catalog-trainer", "spec/template/spec/initContainers/0/resources", None)],
    "restricted": [
        ("Deployment", "catalog-api", "spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem", False),
        ("StatefulSet", "catalog-redis", "spec/template/spec/securityContext/runAsNonRoot", None),
        ("Deployment", "catalog-mlflow", "spec/template/spec/enableServiceLinks", True),
    ],
    "images": [
        ("Deployment", "catalog-api", "spec/template/spec/containers/0/image", "rakuten-catalog-api"),
        ("Deployment", "catalog-api", "spec/template/spec/containers/0/image", "rakuten-catalog-api:0.0.9"),
    ],
    "volumes": [("Deployment", "catalog-worker", "spec/template/spec/volumes/1/name", "cash")],
    "secrets": [
        ("ConfigMap", "catalog-repository", "kind", "Secret"),
        ("Deployment", "catalog-api", "spec/template/spec/containers/0/envFrom/1/secretRef/name", "redis"),
        ("Deployment", "catalog-api", "spec/template/spec/containers/0/envFrom/1/secretRef/optional", True),
        ("TriggerAuthentication", "catalog-observer", "spec/secretTargetRef/0/key", "key"),
    ],
    "settings": [
        ("ConfigMap", "catalog-settings", "data/CATALOG_BLOBS_URL", "s3://rakuten-catalog"),
        ("ConfigMap", "catalog-settings", "data/CATALOG_BULK_SLOTS", "0"),
    ],
    "grace": [
        ("Deployment", "catalog-worker", "spec/template/spec/terminationGracePeriodSeconds", 10),
        ("Deployment", "catalog-api", "spec/template/spec/containers/0/lifecycle/preStop/exec/command/1", "30"),
    ],
    "redis_memory": [
        ("StatefulSet", "catalog-redis", "spec/template/spec/containers/0/resources/limits/memory", "2Gi"),
    ],
    "selectors": [
        ("Service", "catalog-api", "spec/selector", {"app": "catalog-api"}),
        ("PodDisruptionBudget", "catalog-worker", "spec/selector/matchLabels/app.kubernetes.io~name", "worker"),
        ("NetworkPolicy", "catalog-mlflow", "spec/ingress/0/from/0/podSelector/matchExpressions/0/values/0", "workers"),
    ],
    "ports": [
        ("Deployment", "catalog-worker", "spec/template/spec/containers/0/ports/0/name", "metrics"),
        ("Service", "catalog-mlflow", "spec/ports/0/targetPort", "mlflow"),
        ("NetworkPolicy", "catalog-to-redis", "spec/egress/0/ports/0/port", "tcp"),
        ("Ingress", "catalog-api", "spec/rules/0/http/paths/0/backend/service/port/name", "https"),
        ("Deployment", "catalog-worker", "spec/template/spec/containers/0/ports/0/containerPort", 9000),
    ],
    "roles": [("Deployment", "catalog-courier", "spec/template/spec/containers/0/command/1", "worker")],
    "one_housekeeper": [
        ("Deployment", "catalog-housekeeper", "spec/replicas", 2),
        ("Deployment", "catalog-housekeeper", "spec/strategy", {}),
        ("ScaledObject", "catalog-worker", "spec/scaleTargetRef/name", "catalog-housekeeper"),
    ],
    "public_addresses": [
        ("NetworkPolicy", "catalog-to-public", "spec/egress/0/to/0/ipBlock/except/5", "169.254.169.254/32"),
        ("NetworkPolicy", "catalog-to-object-store", "spec/egress/0/to/1/ipBlock/cidr", "::/0"),
    ],
    "closed_by_default": [("NetworkPolicy", "catalog-nothing", "spec/policyTypes", ["Ingress"])],
    "scaling": [
        ("Deployment", "catalog-worker", "spec/replicas", 1),
        (
            "ScaledObject",
            "catalog-worker",
            "spec/triggers/0/metadata/valueLocation",
            'catalog_queue_items{lane="slow"}',
        ),
    ],
    "scaling_access": [
        ("ScaledObject", "catalog-worker", "spec/triggers/1/metadata/url", "http://catalog-api.shop.svc:5000/metrics"),
        ("ScaledObject", "catalog-worker", "spec/triggers/1/metadata/url", "http://catalog-api.catalog.svc/metrics"),
        ("TriggerAuthentication", "catalog-observer", "spec/secretTargetRef/0/parameter", "apiKey"),
    ],
}


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        pytest.param(rule, change, id=f"{rule}-{change[1]}-{change[2].rpartition('/')[2]}")
        for rule, changes in _BROKEN.items()
        for change in changes
    ],
)
def test_every_rule_can_be_broken(rule: str, change: tuple[str, str, str, Any], everything: list[Manifest]) -> None:
    assert list(_RULES[rule](altered(everything, *change))) != []


def test_no_rule_is_left_unproven() -> None:
    assert _BROKEN.keys() == _RULES.keys()


def test_the_gpu_overlay_has_one_process_for_each_gpu(builds: dict[str, list[Manifest]]) -> None:
    spec = pod(named(builds["gpu"], "Deployment", "catalog-worker"))
    limits = spec["containers"][0]["resources"]["limits"]
    assert limits["nvidia.com/gpu"] == 1
    assert "worker-gpu:" in spec["containers"][0]["image"]
    assert spec["nodeSelector"]
    assert spec["tolerations"]
    elsewhere = {
        name for name, text in ((m["metadata"]["name"], json.dumps(m)) for m in builds["gpu"]) if "nvidia" in text
    }
    assert elsewhere == {"catalog-worker"}


def test_keda_finds_its_figures_in_what_the_api_tells(redis: Redis, everything: list[Manifest]) -> None:
    registry = CollectorRegistry()
    registry.register(QueueCollector(redis))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    samples = [sample for family in families for sample in family.samples if set(sample.labels) == {"lane"}]
    told = [f'{sample.name}{{lane="{sample.labels["lane"]}"}}' for sample in samples]
    for trigger in named(everything, "ScaledObject", "catalog-worker")["spec"]["triggers"]:
        assert told.count(trigger["metadata"]["valueLocation"]) == 1


def test_the_alerts_know_what_is_scraped(everything: list[Manifest]) -> None:
    """By the names that the relabelling gives: the API's, and each process's without `catalog-`."""
    api = named(everything, "PodMonitor", "catalog-api")["spec"]["podMetricsEndpoints"][0]
    selector = named(everything, "PodMonitor", "catalog-processes")["spec"]["selector"]
    processes = {name.removeprefix("catalog-") for name in selector["matchExpressions"][0]["values"]}
    vanished, restarted = re.findall(r'job=~"([^"]+)"', (ROOT / "deploy/monitoring/alerts.yml").read_text())
    assert all(re.fullmatch(vanished, job) for job in processes)
    assert all(re.fullmatch(restarted, job) for job in {*processes, api["relabelings"][0]["replacement"]})


def test_a_cluster_has_the_alerts_of_prometheus_own_file(everything: list[Manifest]) -> None:
    """`make rules` makes them so. What its schema lets pass, Prometheus' own check of the file does not."""
    alerts = yaml.safe_load((ROOT / "deploy/monitoring/alerts.yml").read_text())
    assert named(everything, "PrometheusRule", "catalog")["spec"] == alerts


def test_another_namespace_is_asked_by_keda(tmp_path: Path) -> None:
    """An overlay is copied, and its namespace changed."""
    overlay = KUBERNETES / "overlays/cpu/kustomization.yaml"
    up = Path(*[".."] * len(tmp_path.resolve().parts[1:]), *KUBERNETES.resolve().parts[1:])
    text = overlay.read_text().replace("namespace: catalog", "namespace: shop").replace("../../", f"{up}/")
    (tmp_path / "kustomization.yaml").write_text(text)
    ran = subprocess.run([tool("kubectl"), "kustomize", str(tmp_path)], capture_output=True, text=True, check=True)
    manifests = list(yaml.safe_load_all(ran.stdout))
    assert of_kind(manifests, "Namespace")[0]["metadata"]["name"] == "shop"
    assert list(wiring_rules.scaling(manifests)) == []


def test_the_example_of_secrets_is_applied_by_nobody_and_has_none() -> None:
    for kustomization in KUBERNETES.rglob("kustomization.yaml"):
        assert "secrets.example" not in kustomization.read_text()
    for secret in example_secrets().values():
        for value in secret.values():
            assert "whsec_" not in value or "MASTERSECRET" in value
