"""What must be true between the manifests: who selects, calls, consumes and scales whom."""

import re
from collections.abc import Iterator
from functools import cache
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from shared.network import addresses
from shared.queues import DELIVERY, HOUSEKEEPING, TRAINING, Lane
from shared.settings import ROOT
from stack.roles import Role, command
from tests.deploy.manifests import Manifest, containers, named, of_kind, pod, workloads
from tests.deploy.pod_rules import PROBES, Rule

QUEUE_METRICS = ("catalog_queue_items", "catalog_queue_oldest_age_seconds")
"""What workers are scaled by, in each lane."""


def selectors(manifests: list[Manifest]) -> Iterator[str]:
    """Whatever selects pods selects some, and only those that it is meant for."""
    for manifest in manifests:
        name = f"{manifest['kind']} {manifest['metadata']['name']}"
        for selector in _pod_selectors(manifest):
            chosen = {workload["metadata"]["name"] for workload in workloads(manifests) if matches(selector, workload)}
            meant = _named_in(selector)
            if not chosen or meant - chosen:
                yield f"{name} selects {sorted(chosen) or 'nothing'}, and means {sorted(meant) or 'something'}"


def ports(manifests: list[Manifest]) -> Iterator[str]:
    """A port that is called by its name has one in every container that may be meant."""
    for name, container in containers(manifests):
        own = {port["name"] for port in container.get("ports", [])}
        for probe in (*PROBES, "startupProbe"):
            wanted = container.get(probe, {}).get("httpGet", {}).get("port")
            if wanted is not None and wanted not in own:
                yield f"{name}: {probe} asks port {wanted}"
        declared = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        if declared.get("process", _process_port()) != _process_port():
            yield f"{name} listens on {_process_port()}"
    for ingress in of_kind(manifests, "Ingress"):
        for path in [path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]:
            wanted = path["backend"]["service"]
            service = named(manifests, "Service", wanted["name"])
            if wanted["port"]["name"] not in [port["name"] for port in service["spec"]["ports"]]:
                yield f"Ingress {ingress['metadata']['name']}: {wanted['name']} has no port {wanted['port']['name']}"
    for manifest in manifests:
        for selector, wanted in _ports_asked(manifest):
            for workload in workloads(manifests):
                own = {port["name"] for container in pod(workload)["containers"] for port in container.get("ports", [])}
                if matches(selector, workload) and wanted not in own:
                    asking, asked = f"{manifest['kind']} {manifest['metadata']['name']}", workload["metadata"]["name"]
                    yield f"{asking}: {asked} has no port {wanted}"


def roles(manifests: list[Manifest]) -> Iterator[str]:
    """Each kind of process runs once, and each queue has consumers of one kind."""
    run: dict[Role, str] = {}
    consumers: dict[str, list[str]] = {}
    for workload in workloads(manifests):
        line = pod(workload)["containers"][0]["command"]
        if line[0] != "catalog-run":
            continue
        name, role = workload["metadata"]["name"], Role(line[1])
        if role in run:
            yield f"{name} and {run[role]} both run {role}"
        run[role] = name
        started = [*command(role), *line[2:]]
        if "--queues" in started:
            for queue in started[started.index("--queues") + 1].split(","):
                consumers.setdefault(queue, []).append(name)
    yield from (f"nobody runs {role}" for role in Role if role not in run)
    for queue in (*Lane, DELIVERY, HOUSEKEEPING, TRAINING):
        if len(consumers.get(queue, [])) != 1:
            yield f"the queue {queue} is consumed by {consumers.get(queue, [])}"


def one_housekeeper(manifests: list[Manifest]) -> Iterator[str]:
    spec = named(manifests, "Deployment", "catalog-housekeeper")["spec"]
    if spec.get("replicas") != 1 or spec["strategy"].get("type") != "Recreate":
        yield "there may be two housekeepers, and so two beats"
    if any(scaled["spec"]["scaleTargetRef"]["name"] == "catalog-housekeeper" for scaled in _scaled(manifests)):
        yield "the housekeeper is scaled"


def public_addresses(manifests: list[Manifest]) -> Iterator[str]:
    """What is open to the internet is open to public addresses alone: to none that the service itself would refuse."""
    for policy in of_kind(manifests, "NetworkPolicy"):
        name = policy["metadata"]["name"]
        for block in [peer["ipBlock"] for peer in peers(policy["spec"]) if "ipBlock" in peer]:
            whole = ip_network(block["cidr"])
            if whole.num_addresses == 1:
                continue
            if whole.version == 6 and not _within(whole, addresses._UNICAST):
                yield f"{name} opens {whole}"
            closed = [ip_network(part) for part in block.get("except", [])]
            for refused in [network for network in addresses._FORBIDDEN if _within(network, whole)]:
                if not any(_within(refused, part) for part in closed):
                    yield f"{name} opens {refused}"


def closed_by_default(manifests: list[Manifest]) -> Iterator[str]:
    closed = [
        policy
        for policy in of_kind(manifests, "NetworkPolicy")
        if policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    ]
    if not closed:
        yield "what no policy names is open"


def scaling(manifests: list[Manifest]) -> Iterator[str]:
    """KEDA finds what it is to scale, and all that is told of the queue asks for workers."""
    for scaled in _scaled(manifests):
        name, spec = scaled["metadata"]["name"], scaled["spec"]
        target = named(manifests, "Deployment", spec["scaleTargetRef"]["name"])
        if "replicas" in target["spec"]:
            yield f"{name}: an apply would undo how many replicas KEDA has made of {target['metadata']['name']}"
        asked = {trigger["metadata"]["valueLocation"] for trigger in spec["triggers"]}
        told = {f'{metric}{{lane="{lane}"}}' for metric in QUEUE_METRICS for lane in Lane}
        yield from (f"{name}: {value} is told by nobody" for value in sorted(asked - told))
        yield from (f"{name}: {value} scales nothing" for value in sorted(told - asked))


def scaling_access(manifests: list[Manifest]) -> Iterator[str]:
    """KEDA reaches the API of this namespace, with a key."""
    for trigger in [trigger for scaled in _scaled(manifests) for trigger in scaled["spec"]["triggers"]]:
        name, told = trigger["name"], trigger["metadata"]
        if (trigger["type"], told["format"], told["authMode"]) != ("metrics-api", "prometheus", "bearer"):
            yield f"{name} cannot be read"
        service = named(manifests, "Service", urlsplit(told["url"]).netloc.partition(".")[0])
        host = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
        if told["url"] not in [f"http://{host}:{port['port']}/metrics" for port in service["spec"]["ports"]]:
            yield f"{name} asks {told['url']}, which is not ours"
        access = named(manifests, "TriggerAuthentication", trigger["authenticationRef"]["name"])
        if [given["parameter"] for given in access["spec"]["secretTargetRef"]] != ["token"]:
            yield f"{name} has no token"


RULES: tuple[Rule, ...] = (
    selectors,
    ports,
    roles,
    one_housekeeper,
    public_addresses,
    closed_by_default,
    scaling,
    scaling_access,
)


@cache
def _process_port() -> int:
    """Where the images have Celery's processes listen."""
    found = set(re.findall(r"^ENV CATALOG_PROCESS_PORT=(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert len(found) == 1, found
    return int(found.pop())


def _pod_selectors(manifest: Manifest) -> Iterator[Any]:
    """Those that choose among the pods of this namespace."""
    spec = manifest.get("spec", {})
    match manifest["kind"]:
        case "Service":
            yield {"matchLabels": spec["selector"]}
        case "Deployment" | "StatefulSet":
            yield spec["selector"]
            for constraint in pod(manifest).get("topologySpreadConstraints", []):
                yield constraint["labelSelector"]
        case "PodDisruptionBudget" | "PodMonitor":
            yield spec["selector"]
        case "NetworkPolicy":
            yield spec["podSelector"]
            for peer in peers(spec):
                if "podSelector" in peer and "namespaceSelector" not in peer:
                    yield peer["podSelector"]


def peers(spec: Manifest) -> Iterator[Manifest]:
    for rule in spec.get("ingress", []):
        yield from rule.get("from", [])
    for rule in spec.get("egress", []):
        yield from rule.get("to", [])


def _ports_asked(manifest: Manifest) -> Iterator[tuple[Any, str]]:
    """Port names, with what selects the pods that must have them."""
    spec = manifest.get("spec", {})
    match manifest["kind"]:
        case "Service":
            yield from (({"matchLabels": spec["selector"]}, port["targetPort"]) for port in spec["ports"])
        case "PodMonitor":
            yield from ((spec["selector"], endpoint["port"]) for endpoint in spec["podMetricsEndpoints"])
        case "NetworkPolicy":
            for rule in spec.get("ingress", []):
                yield from ((spec["podSelector"], port["port"]) for port in rule["ports"])
            for rule in spec.get("egress", []):
                for port in rule["ports"]:
                    if isinstance(port["port"], str):
                        yield from ((peer["podSelector"], port["port"]) for peer in rule["to"])


def matches(selector: Manifest, workload: Manifest) -> bool:
    labels = workload["spec"]["template"]["metadata"]["labels"]
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    return wanted and all(labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", []))


def _named_in(selector: Manifest) -> set[str]:
    """The pods that a selector gives by their names."""
    key = "app.kubernetes.io/name"
    names = {value for label, value in selector.get("matchLabels", {}).items() if label == key}
    for one in selector.get("matchExpressions", []):
        assert one["operator"] == "In", one
        names |= set(one["values"]) if one["key"] == key else set()
    return names


def _within(part: addresses.Network, whole: addresses.Network) -> bool:
    return part.version == whole.version and part.subnet_of(whole)  # type: ignore[arg-type]  # they are alike


def _scaled(manifests: list[Manifest]) -> list[Manifest]:
    return of_kind(manifests, "ScaledObject")
