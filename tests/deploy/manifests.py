"""The manifests of deploy/kubernetes as kustomize builds them, and what is looked up in them."""

import copy
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.settings import ROOT

KUBERNETES = ROOT / "deploy/kubernetes"
Manifest = dict[str, Any]

BUILDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "cpu": ("overlays/cpu", ()),
    "gpu": ("overlays/gpu", ()),
    "everything": ("overlays/cpu", ("ingress", "monitoring")),
    "managed-redis": ("base", ("namespace",)),
}
"""What is applied, and the components on top of it."""


def build(name: str, folder: Path) -> list[Manifest]:
    """Args: folder: Where a kustomization may be written."""
    resource, components = BUILDS[name]
    up = Path(*[".."] * len(folder.resolve().parts[1:]), *KUBERNETES.resolve().parts[1:])
    wanted = {
        "namespace": "catalog",
        "resources": [str(up / resource)],
        "components": [str(up / "components" / component) for component in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
    ran = subprocess.run([tool("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return list(yaml.safe_load_all(ran.stdout))


def tool(name: str) -> str:
    """The path of a program that these tests are about; a machine without it does not pass them."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not on the PATH; `make test-deploy` needs it", pytrace=False)
    return found


def example_secrets() -> dict[str, Manifest]:
    """By name: what secrets.example.yaml says that there are."""
    documents = yaml.safe_load_all((KUBERNETES / "secrets.example.yaml").read_text())
    return {secret["metadata"]["name"]: secret["stringData"] for secret in documents}


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one manifest of this kind and name; of a ConfigMap's name, what comes before its hash."""
    found = [
        manifest
        for manifest in manifests
        if manifest["kind"] == kind and (manifest["metadata"]["name"] + "-").startswith(name + "-")
    ]
    exact = [manifest for manifest in found if manifest["metadata"]["name"] == name]
    assert len(exact or found) == 1, f"{kind} {name}: {len(found)}"
    return (exact or found)[0]


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def workloads(manifests: list[Manifest]) -> list[Manifest]:
    return of_kind(manifests, "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod")


def pod(workload: Manifest) -> Manifest:
    spec: Manifest = workload["spec"]["template"]["spec"]
    return spec


def containers(manifests: list[Manifest], *, init: bool = True) -> Iterator[tuple[str, Manifest]]:
    """All containers, each with a human-readable name."""
    for workload in workloads(manifests):
        for kind in ("initContainers", "containers") if init else ("containers",):
            for container in pod(workload).get(kind, []):
                yield f"{workload['metadata']['name']}/{container['name']}", container


def environment(container: Manifest, manifests: list[Manifest]) -> dict[str, str]:
    """What the container is told, with the example's secrets."""
    told: dict[str, str] = {}
    secrets = example_secrets()
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            told |= named(manifests, "ConfigMap", source["configMapRef"]["name"])["data"]
        else:
            told |= secrets[source["secretRef"]["name"]]
    return told | {variable["name"]: variable.get("value", "") for variable in container.get("env", [])}


def altered(manifests: list[Manifest], kind: str, name: str, path: str, value: object) -> list[Manifest]:
    """A copy in which one field is another, or gone (`None`).

    Args:
        path: Like `spec/template/spec/containers/0/image`; a slash within a step is written `~`.
    """
    changed = copy.deepcopy(manifests)
    place: Any = named(changed, kind, name)
    *way, last = [int(step) if step.isdigit() else step.replace("~", "/") for step in path.split("/")]
    for step in way:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return changed
