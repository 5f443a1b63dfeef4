"""Manifests against the schemas of what they say they are.

Standard input has a JSON object of lists of manifests; standard output gets one of lists of problems.

A program of the environment that `make test-deploy` makes (requirements-deploy.lock), which has the schemas. Nothing
passes unseen: a field that a schema does not have is a problem, and so is a resource without a schema.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import jsonschema
import kubernetes_validate
from cloudcoil.models import keda, prometheus_operator

OLDEST, NEWEST = "1.30", "1.37"
"""Versions of Kubernetes: the oldest supported one, and the newest whose schemas the package has."""
_CUSTOM = {"keda.sh/v1alpha1": keda.v1alpha1, "monitoring.coreos.com/v1": prometheus_operator.v1}


def problems(manifest: dict[str, Any]) -> Iterator[str]:
    models = _CUSTOM.get(manifest["apiVersion"])
    if models is None:
        for version in (OLDEST, NEWEST):
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                yield f"Kubernetes {version}: {error.message}"
        return
    model = getattr(models, manifest["kind"], None)
    if model is None:
        yield f"{manifest['apiVersion']} has no {manifest['kind']}"
        return
    schema = _closed(model.model_json_schema(by_alias=True))
    for problem in jsonschema.Draft202012Validator(schema).iter_errors(manifest):
        yield f"{problem.json_path}: {problem.message}"


def _closed(schema: Any) -> Any:
    """The schema, with no room for fields that it does not name: the models would let them pass."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(part) for key, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed["additionalProperties"] = False
    return closed


def main() -> None:
    found = {
        name: [
            f"{manifest['kind']} {manifest['metadata']['name']}: {problem}"
            for manifest in manifests
            for problem in problems(manifest)
        ]
        for name, manifests in json.load(sys.stdin).items()
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
