"""Rules for each pod beyond the schemas; every rule describes the violations in sentences."""

import os
from collections.abc import Callable, Iterator, Mapping
from unittest import mock

from shared.settings import Settings
from tests.deploy.manifests import Manifest, containers, environment, example_secrets, named, of_kind, pod, workloads
from worker.app import app
from worker.classify import service
from worker.trainings import process_tree
from worker.trainings import trainer as retraining

Rule = Callable[[list[Manifest]], Iterator[str]]

PROBES = ("livenessProbe", "readinessProbe")
_RESTRICTED_POD = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "fsGroup": 10001,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
_RESTRICTED_CONTAINER = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_OPTIONAL_SECRETS = {"catalog-object-store", "catalog-git", "catalog-mlflow"}
"""Without these the service starts: the cluster gives identities, the repository is public, MLflow has its volume."""


def probes(manifests: list[Manifest]) -> Iterator[str]:
    for name, container in containers(manifests, init=False):
        for probe in PROBES:
            if probe not in container:
                yield f"{name} has no {probe}"


def resources(manifests: list[Manifest]) -> Iterator[str]:
    for name, container in containers(manifests):
        for bound in ("requests", "limits"):
            for resource in ("cpu", "memory"):
                if resource not in container.get("resources", {}).get(bound, {}):
                    yield f"{name} has no {bound} of {resource}"


def restricted(manifests: list[Manifest]) -> Iterator[str]:
    for workload in workloads(manifests):
        name, spec = workload["metadata"]["name"], pod(workload)
        if spec.get("securityContext") != _RESTRICTED_POD:
            yield f"{name} is not restricted"
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{name} gets a token of the cluster's API"
        if spec.get("enableServiceLinks") is not False:
            yield f"{name} gets a CATALOG_… variable for each Service"
    for name, container in containers(manifests):
        if container.get("securityContext") != _RESTRICTED_CONTAINER:
            yield f"{name} is not restricted"


def images(manifests: list[Manifest]) -> Iterator[str]:
    tags = set()
    for name, container in containers(manifests):
        _, _, tag = container["image"].rpartition("/")[2].partition(":")
        if tag in ("", "latest"):
            yield f"{name} runs {container['image']}, which is another image tomorrow"
        if "rakuten-catalog" in container["image"]:
            tags.add(tag)
    if len(tags) > 1:
        yield f"several releases at once: {', '.join(sorted(tags))}"


def volumes(manifests: list[Manifest]) -> Iterator[str]:
    """A mount without its volume, and a place under a read-only root that the settings name and nobody may write."""
    for workload in workloads(manifests):
        there = {volume["name"] for volume in pod(workload).get("volumes", [])}
        there |= {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
        for container in pod(workload)["containers"] + pod(workload).get("initContainers", []):
            mounts = {mount["name"]: mount["mountPath"] for mount in container.get("volumeMounts", [])}
            yield from (f"{container['name']} mounts {name}, which is not there" for name in set(mounts) - there)
            if "/tmp" not in mounts.values():
                yield f"{container['name']} has no /tmp"


def secrets(manifests: list[Manifest]) -> Iterator[str]:
    """By reference alone, and only to what secrets.example.yaml describes."""
    known, used = example_secrets(), set()
    for secret in of_kind(manifests, "Secret"):
        yield f"the Secret {secret['metadata']['name']} is in the manifests"
    for path, name, key, optional in _secret_references(manifests):
        used.add(name)
        if name not in known or (key is not None and key not in known[name]):
            yield f"{path}: nothing tells of the Secret {name}, key {key or 'any'}"
        if optional is not None and optional != (name in _OPTIONAL_SECRETS):
            yield f"{path}: {name} should{'' if name in _OPTIONAL_SECRETS else ' not'} be optional"


def settings(manifests: list[Manifest]) -> Iterator[str]:
    """Each CATALOG_… is a setting, its value one that the setting takes."""
    known = {f"CATALOG_{name.upper()}" for name in Settings.model_fields}
    for name, container in containers(manifests):
        told = {key: value for key, value in environment(container, manifests).items() if key.startswith("CATALOG_")}
        yield from (f"{name}: {key} is no setting" for key in sorted(told.keys() - known))
        try:
            _settings_of(told)
        except ValueError as error:
            yield f"{name}: {error}"


def grace(manifests: list[Manifest]) -> Iterator[str]:
    """Longer than what a process takes to end by itself, with room for a slow machine."""
    api = named(manifests, "Deployment", "catalog-api")
    serving = pod(api)["containers"][0]
    before = int(serving["lifecycle"]["preStop"]["exec"]["command"][1])
    under_way = int(serving["command"][serving["command"].index("--timeout-graceful-shutdown") + 1])
    if under_way <= Settings.model_fields["predict_timeout_s"].default:
        yield "catalog-api cuts off /predict"
    needed = {
        "catalog-api": before + under_way,
        "catalog-worker": service._FINISH_S,
        "catalog-courier": Settings.model_fields["webhook_timeout_s"].default + app.conf.worker_soft_shutdown_timeout,
        "catalog-trainer": retraining._END_S + process_tree._GRACE_S + process_tree._LONGEST_S,
    }
    for workload in workloads(manifests):
        name = workload["metadata"]["name"]
        given = pod(workload).get("terminationGracePeriodSeconds", 0)
        if given < needed.get(name, 10) + 10 - 5 * (name == "catalog-api"):
            yield f"{name} is killed after {given} s"


def redis_memory(manifests: list[Manifest]) -> Iterator[str]:
    """Redis refuses before the kernel ends it, and its file can be rewritten beside what it holds."""
    for name, container in containers(manifests):
        line = container["command"]
        if line[0] == "redis-server":
            most = int(line[line.index("--maxmemory") + 1].removesuffix("mb"))
            limit = int(container["resources"]["limits"]["memory"].removesuffix("Gi")) * 1024
            if most * 2 > limit:
                yield f"{name}: {most} MB are half of more than {limit}"


RULES: tuple[Rule, ...] = (probes, resources, restricted, images, volumes, secrets, settings, grace, redis_memory)


def _settings_of(told: Mapping[str, str]) -> None:
    """Raises `ValueError` where a process would not start with this."""
    with mock.patch.dict(os.environ, told):
        Settings(_env_file=None)


def _secret_references(manifests: list[Manifest]) -> Iterator[tuple[str, str, str | None, bool | None]]:
    """Where, which, which key (`None`: all of them), and whether it may be missing (`None`: nothing says so)."""
    for name, container in containers(manifests):
        for source in container.get("envFrom", []):
            if "secretRef" in source:
                yield name, source["secretRef"]["name"], None, source["secretRef"].get("optional", False)
        for variable in container.get("env", []):
            if "valueFrom" in variable and "secretKeyRef" in variable["valueFrom"]:
                reference = variable["valueFrom"]["secretKeyRef"]
                yield name, reference["name"], reference["key"], reference.get("optional", False)
    for workload in workloads(manifests):
        for volume in pod(workload).get("volumes", []):
            if "secret" in volume:
                secret = volume["secret"]
                yield workload["metadata"]["name"], secret["secretName"], None, secret.get("optional", False)
    for access in of_kind(manifests, "TriggerAuthentication"):
        for given in access["spec"]["secretTargetRef"]:
            yield access["metadata"]["name"], given["name"], given["key"], None
    for monitor in of_kind(manifests, "PodMonitor"):
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            if "authorization" in endpoint:
                given = endpoint["authorization"]["credentials"]
                yield monitor["metadata"]["name"], given["name"], given["key"], None
