"""The gate: compares the challenger that was trained with the champion that serves.

`python -m training.gate --champion FOLDER` runs where `dvc repro` has run. Both bundles answer the same items in one
run, each with its own vocabulary and its own VGG16, and each condition in section `gate` of `params.yaml` is checked.
What judges does not come from what is judged: the operator's protected set decides, or else the items that the
champion's training held out too, with the same label. Where these are too few, a person decides.

The verdict is written to a file, the training's MLflow run and the registered version; the exit status is 0 for a
refusal too. Without a champion the challenger must give its golden answers and a weighted F1 of `gate.first`.
"""

import argparse
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from shared.model import golden, runtimes
from shared.model.bundle import BACKBONE, INT8, Bundle, BundleError
from shared.model.golden import GoldenError
from shared.model.runtimes.openvino import OpenVINOBackbone
from shared.pipeline.params import PATH, GateParams, ParamsError, load_conditions, load_params
from shared.pipeline.stages import COMPARISON, VERDICT, GateCheck, GateVerdict
from shared.registry.mlflow import record_verdict, version_of
from shared.settings import get_settings
from training.catalogue.errors import CatalogueError
from training.judge import latency
from training.judge.answers import answer, seen_by
from training.judge.changed_categories import unknown_to
from training.judge.comparison import Compared, write_comparison
from training.judge.gate_checks import (
    Answers,
    check_calibration,
    check_classes,
    check_contradictions,
    check_coverage,
    check_f1,
    check_first_f1,
    check_held_out,
    check_labels,
    check_latency,
    check_new_categories,
)
from training.judge.held_out import HeldOut, compare_labels, hold_out
from training.judge.protected import ProtectedSet, read_protected
from training.pipeline import tracking
from training.pipeline.categories import Categories
from training.pipeline.layout import BUNDLE, EVALUATION_REPORT, FEATURE_STORE, IMPORTED, PREPARED, TRAINING_REPORT
from training.pipeline.prepared import Items, Prepared
from training.pipeline.splits import TEST

log = logging.getLogger(__name__)

_ASKED = 5000
"""Items of the catalogue for which the champion's answer is compared with the label."""


class GateError(RuntimeError):
    """The gate cannot judge; the message says why and what to do."""


@dataclass(frozen=True)
class Judgement:
    """The verdict, and the answers behind it."""

    verdict: GateVerdict
    compared: Compared | None
    """`None` where there was no item to ask the models."""
    imported: Path
    """The folder with the titles and pictures of these items, as `import_data` leaves it."""


@dataclass(frozen=True)
class _Pool:
    """Items that a model can be asked."""

    items: Items
    imported: Path
    """The folder with their titles and pictures, as `import_data` leaves it."""
    seen_by: Bundle | None
    """The bundle with whose VGG16 their features were made; `None`: they have none yet."""

    def where(self, chosen: npt.NDArray[np.bool_]) -> "_Pool":
        return replace(self, items=self.items.where(chosen))


class _Model:
    """A loaded bundle. Args: store: The folder that keeps VGG16's features."""

    def __init__(self, bundle: Bundle, store: Path) -> None:
        self.bundle = bundle
        self.runtime = runtimes.load(bundle)
        self._store = store

    def ask(self, pool: _Pool) -> Answers:
        """Return its answers; it sees the pictures itself unless they were seen by the same VGG16."""
        items, bundle = pool.items, self.bundle
        if pool.seen_by is None or not bundle.has_same_backbone(pool.seen_by):
            # In the arithmetic of prepared items.
            backbone = OpenVINOBackbone(bundle.folder / BACKBONE, bundle.manifest.image_size, "int8")
            items = seen_by(bundle, backbone, INT8, items, pool.imported, self._store)
        answered = answer(bundle, self.runtime, items)
        always = answered.always if bundle.manifest.cascade is not None else None
        return Answers(answered.fused, bundle.manifest.review, always)


def judge(
    challenger: Bundle,
    champion: Bundle | None,
    prepared: Prepared,
    imported: Path,
    store: Path,
    params: GateParams,
    protected: ProtectedSet | None = None,
) -> Judgement:
    """Judge the challenger; raise `GateError` if it was not trained on the data in `prepared`.

    What judges does not come from what is judged: the operator's protected set decides if there is one, or else the
    items that the champion's training held out too, with the same label. Without a champion it is the challenger's own
    test split.
    """
    if challenger.manifest.data != prepared.digest:
        raise GateError(f"bundle {challenger.id} was not trained on the data in {prepared.folder}: run dvc repro")
    known = champion.known if champion is not None else None
    held_out = hold_out(_answerable(prepared.split(TEST)), known)
    catalogue = _Pool(held_out.items, imported, challenger)
    ours = _Model(challenger, store)
    theirs = _Model(champion, store) if champion is not None else None
    judges = catalogue
    if protected is not None:
        judges = _Pool(_answerable(protected.unlearned(known, prepared.known())), protected.folder, None)
        if champion is not None:  # what it never had a chance to learn is judged by itself
            judges = judges.where(~unknown_to(champion, prepared.categories)[judges.items.classes])
    elif theirs is not None:
        judges = catalogue.where(held_out.confirmed)
    name = protected.name if protected is not None else None
    enough = check_held_out(held_out, len(judges.items), params, champion=theirs is not None, protected=name)
    shown = judges if enough.passed else catalogue
    compared = None
    if len(shown.items):
        compared = Compared(shown.items, theirs.ask(shown) if theirs else None, ours.ask(shown), enough.passed)
    checks = [enough]
    if theirs is not None:
        checks += _check_labels(theirs, prepared, imported, challenger, params)
        checks += _check_new_categories(ours, theirs.bundle, catalogue, params)
    if enough.passed and compared is not None:
        checks += _check_answers(compared, params)
        if theirs is not None:
            checks += _check_others(ours, theirs, catalogue, held_out, params, by_protected=protected is not None)
            checks.append(_check_latency(ours, theirs, judges.items, params))
    checks.append(_check_golden(ours))
    return Judgement(_verdict(challenger, champion, len(judges.items), checks), compared, shown.imported)


def _check_labels(
    champion: _Model, prepared: Prepared, imported: Path, challenger: Bundle, params: GateParams
) -> list[GateCheck]:
    """Check the catalogue's labels against those that the champion's training knew, and against its answers."""
    known, checks = champion.bundle.known, []
    if known is not None:
        categories = prepared.categories
        relabelled = compare_labels(prepared.known(), known, categories.taxonomy)
        checks.append(check_labels(*relabelled, categories, params))
    asked = _Pool(_answerable(prepared.sample(_ASKED, params.seed)), imported, challenger)
    asked = asked.where(~unknown_to(champion.bundle, prepared.categories)[asked.items.classes])
    return [*checks, check_contradictions(champion.ask(asked), asked.items.classes, prepared.categories, params)]


def _check_new_categories(ours: _Model, champion: Bundle, catalogue: _Pool, params: GateParams) -> list[GateCheck]:
    """Check the challenger's answers to held-out items of categories that the champion does not know, if there are."""
    categories = catalogue.items.categories
    new = unknown_to(champion, categories)
    if not new.any():
        return []
    items = catalogue.where(new[catalogue.items.classes])
    answers = ours.ask(items) if len(items.items) else None
    return [check_new_categories(answers, items.items.classes, categories, new, params)]


def _check_answers(compared: Compared, params: GateParams) -> list[GateCheck]:
    """Check the answers to the items that judge."""
    theirs, ours, classes = compared.champion, compared.challenger, compared.items.classes
    categories = compared.items.categories
    if theirs is None:
        return [check_first_f1(ours, classes, params)]
    return [
        check_f1(theirs, ours, classes, params, levels=categories.levels),
        check_classes(theirs, ours, classes, categories, params),
        check_calibration(theirs, ours, classes, params),
        check_coverage(theirs, ours, classes, params),
    ]


def _check_others(
    ours: _Model, theirs: _Model, catalogue: _Pool, held_out: HeldOut, params: GateParams, *, by_protected: bool
) -> list[GateCheck]:
    """Check the answers to held-out items of the catalogue that do not judge: they can only speak against a model."""
    known = ~unknown_to(theirs.bundle, catalogue.items.categories)[catalogue.items.classes]
    groups = {"new_items": (held_out.new & known, "items that are new")}
    if by_protected:
        groups["confirmed_items"] = (held_out.confirmed, "items that both trainings held out with the same label")
    return [
        check_f1(theirs.ask(pool), ours.ask(pool), pool.items.classes, params, name=name, what=what)
        for name, (chosen, what) in groups.items()
        if chosen.sum() >= params.min_items and (pool := catalogue.where(chosen))
    ]


def _check_latency(ours: _Model, theirs: _Model, items: Items, params: GateParams) -> GateCheck:
    models = [(model.bundle, model.runtime) for model in (theirs, ours)]
    before, after = latency.measure(models, [text for text in items.words if text])
    return check_latency(before, after, params)


def _answerable(items: Items) -> Items:
    """Return the items with a word or a picture; no model answers the others."""
    return items.where(items.has_text | items.has_image)


def _check_golden(model: _Model) -> GateCheck:
    bundle = model.bundle
    try:
        off = golden.verify(bundle, model.runtime)
    except GoldenError as error:
        return GateCheck(name="golden", passed=False, detail=str(error), figures={})
    if off is None:
        detail = f"Bundle {bundle.id} has no golden set: train it again."
        return GateCheck(name="golden", passed=False, detail=detail, figures={})
    distances = ", ".join(f"{name} within {value:.4f}" for name, value in off.items())
    return GateCheck(name="golden", passed=True, detail=f"The golden answers are the same: {distances}.", figures=off)


def _verdict(challenger: Bundle, champion: Bundle | None, items: int, checks: list[GateCheck]) -> GateVerdict:
    refused = [check for check in checks if not check.passed]
    against = "where no model is in service" if champion is None else f"in place of {champion.id}"
    why = " ".join(check.detail for check in refused or checks if refused or check.name == "weighted_f1")
    return GateVerdict(
        challenger=challenger.id,
        champion=champion.id if champion is not None else None,
        items=items,
        passed=not refused,
        detail=f"{challenger.id} may {'not ' if refused else ''}serve {against}. {why}",
        checks=tuple(checks),
    )


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments = _arguments()
    try:
        params, conditions = load_params(), load_conditions(arguments.conditions)
        challenger, prepared = Bundle.load(BUNDLE), Prepared(PREPARED)
        champion = Bundle.load(arguments.champion) if arguments.champion else None
        with TemporaryDirectory(prefix="protected-set-") as folder:
            protected = _read_protected(arguments.protected_set, Path(folder), prepared.categories)
            judgement = judge(challenger, champion, prepared, IMPORTED, FEATURE_STORE, conditions, protected)
            verdict, page = judgement.verdict, arguments.output.with_name(COMPARISON)
            arguments.output.parent.mkdir(parents=True, exist_ok=True)
            write_comparison(page, verdict, judgement.compared, judgement.imported, EVALUATION_REPORT)
    except (BundleError, GateError, ParamsError) as error:
        raise SystemExit(f"gate: {error}") from error
    # Written last, so that the page is there once the verdict is.
    arguments.output.write_text(verdict.model_dump_json(indent=1) + "\n", encoding="utf-8")
    with tracking.resume(TRAINING_REPORT, challenger, params.train) as run:
        run.log_verdict(verdict, page)
        run_page = run.page
    if (version := version_of(challenger.id)) is not None:
        record_verdict(version, verdict)
    log.info("%s", verdict.detail)
    for check in verdict.checks:
        log.info("  %-15s %-7s %s", check.name, "passed" if check.passed else "refused", check.detail)
    log.info("the comparison with pictures: %s", page)
    if run_page:
        log.info("the training in MLflow: %s", run_page)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.gate", description="Compare challenger and champion.")
    parser.add_argument("--champion", type=Path, help="folder of the bundle in service; leave it out if there is none")
    parser.add_argument("--output", type=Path, default=VERDICT, help=f"file for the verdict (default: {VERDICT})")
    parser.add_argument("--conditions", type=Path, default=PATH, help=f"file with the section gate (default: {PATH})")
    parser.add_argument(
        "--protected-set",
        default=get_settings().protected_set,
        help="folder or URL of the items that judge (default: the setting CATALOG_PROTECTED_SET)",
    )
    return parser.parse_args()


def _read_protected(source: str | None, folder: Path, categories: Categories) -> ProtectedSet | None:
    if source is None:
        return None
    try:
        return read_protected(source, folder, categories)
    except CatalogueError as error:
        raise GateError(f"the protected set (CATALOG_PROTECTED_SET) cannot be used: {error}") from error


if __name__ == "__main__":
    main()
