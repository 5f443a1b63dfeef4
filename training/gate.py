"""The gate: compares the challenger that was trained with the champion that serves.

`python -m training.gate --champion FOLDER` runs where `dvc repro` has run. Both bundles answer the same items in one
run, each with its own vocabulary and its own VGG16, and each condition in section `gate` of `params.yaml` is checked.
The verdict is written to a file, the training's MLflow run and the registered version; the exit status is 0 for a
refusal too. Without a champion the challenger must give its golden answers and a weighted F1 of `gate.first`.
"""

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

from shared.model import golden, runtimes
from shared.model.bundle import BACKBONE, INT8, Bundle, BundleError
from shared.model.golden import GoldenError
from shared.model.runtimes import Runtime
from shared.model.runtimes.openvino import OpenVINOBackbone
from shared.pipeline.params import GateParams, ParamsError, load_params
from shared.pipeline.stages import COMPARISON, VERDICT, GateCheck, GateVerdict
from shared.registry.mlflow import record_verdict, version_of
from training.judge import latency
from training.judge.answers import answer, seen_by
from training.judge.comparison import Compared, write_comparison
from training.judge.gate_checks import (
    Answers,
    check_calibration,
    check_classes,
    check_coverage,
    check_f1,
    check_first_f1,
    check_held_out,
    check_labels,
    check_latency,
)
from training.judge.held_out import HeldOut, compare_labels, hold_out
from training.pipeline import tracking
from training.pipeline.layout import BUNDLE, EVALUATION_REPORT, FEATURE_STORE, IMPORTED, PREPARED, TRAINING_REPORT
from training.pipeline.prepared import Items, Prepared
from training.pipeline.splits import TEST

log = logging.getLogger(__name__)


class GateError(RuntimeError):
    """The gate cannot judge; the message says why and what to do."""


@dataclass(frozen=True)
class Judgement:
    """The verdict, and the answers behind it."""

    verdict: GateVerdict
    compared: Compared | None
    """`None` where there were too few items to ask the models."""


def judge(
    challenger: Bundle, champion: Bundle | None, prepared: Prepared, imported: Path, store: Path, params: GateParams
) -> Judgement:
    """Judge the challenger; raise `GateError` if it was not trained on the data in `prepared`."""
    if challenger.manifest.data != prepared.digest:
        raise GateError(f"bundle {challenger.id} was not trained on the data in {prepared.folder}: run dvc repro")
    known = champion.known if champion is not None else None
    held_out = hold_out(_answerable(prepared.split(TEST)), known)
    runtime = runtimes.load(challenger)
    checks = [check_held_out(held_out, params, champion=champion is not None), _check_golden(challenger, runtime)]
    if known is not None:
        checks.insert(1, check_labels(*compare_labels(prepared.known(), known), params))
    compared = None
    if not checks[0].passed:
        pass  # too few to compare on
    elif champion is None:
        compared = Compared(held_out.items, None, _ask(challenger, runtime, held_out.items))
        checks.append(check_first_f1(compared.challenger, held_out.items.classes, params))
    else:
        compared, more = _compare(challenger, runtime, champion, held_out, imported, store, params)
        checks += more
    return Judgement(_verdict(challenger, champion, held_out, checks), compared)


def _compare(
    challenger: Bundle,
    runtime: Runtime,
    champion: Bundle,
    held_out: HeldOut,
    imported: Path,
    store: Path,
    params: GateParams,
) -> tuple[Compared, list[GateCheck]]:
    items, classes, before = held_out.items, held_out.items.classes, runtimes.load(champion)
    seen = items if challenger.has_same_backbone(champion) else _seen(champion, items, imported, store)
    theirs, ours = _ask(champion, before, seen), _ask(challenger, runtime, items)
    before_ms, after_ms = latency.measure(
        [(champion, before), (challenger, runtime)], [text for text in items.words if text]
    )
    checks = [
        check_f1(theirs, ours, held_out, params),
        check_classes(theirs, ours, classes, params),
        check_calibration(theirs, ours, classes, params),
        check_coverage(theirs, ours, classes, params),
        check_latency(before_ms, after_ms, params),
    ]
    return Compared(items, theirs, ours), checks


def _answerable(items: Items) -> Items:
    """Return the items with a word or a picture; no model answers the others."""
    return items.where(items.has_text | items.has_image)


def _ask(bundle: Bundle, runtime: Runtime, items: Items) -> Answers:
    return Answers(answer(bundle, runtime, items).fused, bundle.manifest.review)


def _seen(bundle: Bundle, items: Items, imported: Path, store: Path) -> Items:
    """Return the items with features by the bundle's VGG16, in the arithmetic of the prepared ones."""
    backbone = OpenVINOBackbone(bundle.folder / BACKBONE, bundle.manifest.image_size, "int8")
    return seen_by(bundle, backbone, INT8, items, imported, store)


def _check_golden(bundle: Bundle, runtime: Runtime) -> GateCheck:
    try:
        off = golden.verify(bundle, runtime)
    except GoldenError as error:
        return GateCheck(name="golden", passed=False, detail=str(error), figures={})
    if off is None:
        detail = f"Bundle {bundle.id} has no golden set: train it again."
        return GateCheck(name="golden", passed=False, detail=detail, figures={})
    distances = ", ".join(f"{name} within {value:.4f}" for name, value in off.items())
    return GateCheck(name="golden", passed=True, detail=f"The golden answers are the same: {distances}.", figures=off)


def _verdict(challenger: Bundle, champion: Bundle | None, held_out: HeldOut, checks: list[GateCheck]) -> GateVerdict:
    refused = [check for check in checks if not check.passed]
    against = "where no model is in service" if champion is None else f"in place of {champion.id}"
    why = " ".join(check.detail for check in refused or checks if refused or check.name == "weighted_f1")
    return GateVerdict(
        challenger=challenger.id,
        champion=champion.id if champion is not None else None,
        items=len(held_out.items),
        passed=not refused,
        detail=f"{challenger.id} may {'not ' if refused else ''}serve {against}. {why}",
        checks=tuple(checks),
    )


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(prog="python -m training.gate", description="Compare challenger and champion.")
    parser.add_argument("--champion", type=Path, help="folder of the bundle in service; leave it out if there is none")
    parser.add_argument("--output", type=Path, default=VERDICT, help=f"file for the verdict (default: {VERDICT})")
    arguments = parser.parse_args()
    try:
        params, challenger = load_params(), Bundle.load(BUNDLE)
        champion = Bundle.load(arguments.champion) if arguments.champion else None
        judgement = judge(challenger, champion, Prepared(PREPARED), IMPORTED, FEATURE_STORE, params.gate)
    except (BundleError, GateError, ParamsError) as error:
        raise SystemExit(f"gate: {error}") from error
    verdict, page = judgement.verdict, arguments.output.with_name(COMPARISON)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    write_comparison(page, verdict, judgement.compared, IMPORTED, EVALUATION_REPORT)
    # Written last, so that the page is there once the verdict is.
    arguments.output.write_text(verdict.model_dump_json(indent=1) + "\n", encoding="utf-8")
    with tracking.resume(TRAINING_REPORT, challenger, params.train) as run:
        run.log_verdict(verdict, page)
        run_page = run.page
    if (version := version_of(challenger.id)) is not None:
        record_verdict(version, verdict)
    log.info("%s", verdict.detail)
    for check in verdict.checks:
        log.info("  %-11s %-7s %s", check.name, "passed" if check.passed else "refused", check.detail)
    log.info("the comparison with pictures: %s", page)
    if run_page:
        log.info("the training in MLflow: %s", run_page)


if __name__ == "__main__":
    main()
