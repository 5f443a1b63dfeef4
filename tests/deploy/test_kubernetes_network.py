"""deploy/kubernetes: who may talk to whom, as the network policies come to, of both ends together."""

import itertools
from collections.abc import Iterator

import pytest

from tests.deploy.manifests import Manifest, build, of_kind, workloads
from tests.deploy.wiring_rules import matches

_CLIENTS = ("catalog-api", "catalog-worker", "catalog-housekeeper", "catalog-courier", "catalog-trainer")
_OUTGOING = ("catalog-worker", "catalog-courier", "catalog-trainer")


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    return build("cpu", tmp_path_factory.mktemp("kustomize"))


def rules(manifests: list[Manifest], workload: Manifest, direction: str) -> Iterator[tuple[Manifest, Manifest]]:
    """What policies let into the workload's pods, or out of them: each peer with each port."""
    for policy in of_kind(manifests, "NetworkPolicy"):
        if matches(policy["spec"]["podSelector"], workload):
            for rule in policy["spec"].get(direction, []):
                yield from itertools.product(rule["from" if direction == "ingress" else "to"], rule["ports"])


def open_to(manifests: list[Manifest], here: Manifest, there: Manifest, direction: str) -> set[str]:
    """The ports on which the two may talk, as far as the policies of one end say."""
    return {
        port["port"]
        for peer, port in rules(manifests, here, direction)
        if "podSelector" in peer and "namespaceSelector" not in peer and matches(peer["podSelector"], there)
    }


def test_each_process_reaches_what_it_needs_and_nothing_else(manifests: list[Manifest]) -> None:
    flows = {
        (one["metadata"]["name"], other["metadata"]["name"], port)
        for one, other in itertools.permutations(workloads(manifests), 2)
        for port in open_to(manifests, one, other, "egress") & open_to(manifests, other, one, "ingress")
    }
    to_redis = {(client, "catalog-redis", "redis") for client in _CLIENTS}
    assert flows == to_redis | {(client, "catalog-mlflow", "http") for client in _OUTGOING}


def test_only_who_fetches_for_others_reaches_all_of_the_internet(manifests: list[Manifest]) -> None:
    reached = {
        (workload["metadata"]["name"], port["port"], port.get("endPort", port["port"]))
        for workload in workloads(manifests)
        for peer, port in rules(manifests, workload, "egress")
        if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0"
    }
    anywhere = {(name, 1, 65535) for name in _OUTGOING}
    assert reached == anywhere | {("catalog-api", 443, 443), ("catalog-housekeeper", 443, 443)}


def test_from_outside_the_namespace_only_the_api_and_figures_are_reached(manifests: list[Manifest]) -> None:
    reached = {
        (*peer["namespaceSelector"]["matchLabels"], workload["metadata"]["name"], port["port"])
        for workload in workloads(manifests)
        for peer, port in rules(manifests, workload, "ingress")
        if "namespaceSelector" in peer
    }
    figures = {("rakuten-catalog/may-scrape", name, "process") for name in _CLIENTS if name != "catalog-api"}
    assert reached == figures | {("rakuten-catalog/may-call-api", "catalog-api", "http")}


def test_every_pod_may_ask_for_names(manifests: list[Manifest]) -> None:
    for workload in workloads(manifests):
        asked = [
            port["protocol"]
            for peer, port in rules(manifests, workload, "egress")
            if port["port"] == 53 and peer.get("podSelector", {}).get("matchLabels") == {"k8s-app": "kube-dns"}
        ]
        assert sorted(asked) == ["TCP", "UDP"]
