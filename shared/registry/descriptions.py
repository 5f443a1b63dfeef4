"""What MLflow's pages say of experiments, models and versions, in sentences."""

import json
from collections.abc import Mapping

from shared.model.bundle import Bundle
from shared.pipeline.stages import GateVerdict

NOTE = "mlflow.note.content"
"""The tag that MLflow shows as the description of an experiment or a run, as Markdown."""

RESTORED_FROM = "restored_from"
"""The tag of a run that stands in for a run of another store; its value is that run's id."""

EXPERIMENT_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Without this tag MLflow 3 takes an experiment for one about language models."""

MODEL = (
    "Classifies a product of a marketplace's catalogue into one of its categories from its title, description and "
    "picture (an LSTM over the words, VGG16 over the picture, and a fusion of both). A version is a bundle: a folder "
    "whose manifest names every file's sha256.\n\n"
    "* `champion` serves.\n"
    "* `previous` served before, and a rollback returns to it.\n"
    "* `challenger` was trained last and may be promoted. Trials, such as runs of a parameter sweep, do not take it.\n"
    "\nThe description of a version is the gate's verdict."
)


def version_note(bundle: Bundle, figures: Mapping[str, float], *, trial: bool) -> str:
    """Describe a version that the gate has not judged."""
    score = figures.get("test.fusion.weighted_f1")
    measured = "" if score is None else f" Its weighted F1 on the test split is {score:.3f}."
    kind = " It was trained as a trial, so it is no challenger." if trial else ""
    return f"Bundle `{bundle.id}`.{measured}{kind} The gate has not judged it."


def verdict_note(verdict: GateVerdict) -> str:
    """Describe the version that the gate has judged: the verdict, then a line for each condition."""
    checks = (
        f"* {'passed' if check.passed else '**refused**'}: {check.name}. {check.detail}" for check in verdict.checks
    )
    return "\n".join([verdict.detail, "", *checks])


def mlmodel(bundle: Bundle) -> str:
    """Return the file `MLmodel` of a bundle: MLflow reads the signature from it.

    A bundle is loaded by `shared.model.bundle`, not by one of MLflow's own flavors. JSON is YAML, which MLflow expects.
    """
    inputs = [
        {"type": "string", "name": "title", "required": False},
        {"type": "string", "name": "description", "required": False},
        {"type": "binary", "name": "image", "required": False},
    ]
    outputs = [
        {"type": "string", "name": "code", "required": True},
        {"type": "double", "name": "confidence", "required": True},
        {"type": "boolean", "name": "needs_review", "required": True},
    ]
    flavor = {"bundle": bundle.id, "format": bundle.manifest.format, "loader_module": "shared.model.bundle"}
    signature = {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None}
    return json.dumps({"flavors": {"catalog_bundle": flavor}, "signature": signature}, indent=1)
