"""The conditions of a promotion, one function each: figures in, a `GateCheck` with a sentence for people out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shared.model.fusion import Probabilities
from shared.model.review import Review
from shared.pipeline.params import GateParams
from shared.pipeline.stages import GateCheck
from shared.taxonomy import CODES, name_of
from training.judge.bootstrap import PairedF1, compare
from training.judge.held_out import HeldOut, Relabelled
from training.judge.latency import Latency
from training.judge.review import judged, review_figures
from training.judge.scores import Classes, calibration_error, confusion, per_class, score


@dataclass(frozen=True)
class Answers:
    """What a model says of the held-out items, and from which confidence on it is to be believed."""

    fused: Probabilities
    review: Review


def check_held_out(held_out: HeldOut, params: GateParams, *, champion: bool) -> GateCheck:
    """`champion`: whether there is one."""
    items = len(held_out.items)
    if held_out.champion_tells:
        told = f"{held_out.learned:,} more were learned by the champion, of {held_out.disputed:,} the label is disputed"
    elif champion:
        told = "the champion's bundle does not tell what it has learned, so it may have an advantage"
    else:
        told = "there is no champion"
    return GateCheck(
        name="held_out",
        passed=items >= params.min_items,
        detail=f"{items:,} held-out items (at least {params.min_items:,}); {told}.",
        figures={
            "items": items,
            "confirmed": int(held_out.confirmed.sum()),
            "learned": held_out.learned,
            "disputed": held_out.disputed,
        },
    )


def check_labels(overall: Relabelled, by_code: Mapping[int, Relabelled], params: GateParams) -> GateCheck:
    allowed = params.relabelled
    types = {code: found.share for code, found in by_code.items() if found.shared >= params.classes.min_items}
    worst = max(types, key=types.__getitem__, default=None)
    share = 0.0 if worst is None else types[worst]
    of_type = f", of {_named(worst)} {share:.1%}" if worst is not None and share else ""
    told = (
        f"{overall.changed:,} of {overall.shared:,} items that the champion's training knew have another label now: "
        f"{overall.share:.1%} (at most {allowed.share:.1%}){of_type} (at most {allowed.share_of_class:.1%} of a type)."
    )
    return GateCheck(
        name="labels",
        passed=overall.share <= allowed.share and share <= allowed.share_of_class,
        detail=told
        if overall.shared
        else "The champion's training knew none of these items: no label can be compared.",
        figures={
            "shared": overall.shared,
            "changed": overall.changed,
            "share": overall.share,
            "worst_type_share": share,
        },
    )


def check_f1(champion: Answers, challenger: Answers, held_out: HeldOut, params: GateParams) -> GateCheck:
    classes, confirmed = held_out.items.classes, held_out.confirmed
    found = _paired(champion, challenger, classes, params)
    figures = {
        "champion": found.champion,
        "challenger": found.challenger,
        "gain": found.gain,
        "low": found.low,
        "high": found.high,
    }
    passed = found.low > -params.margin and found.gain >= -params.loss
    detail = (
        f"Weighted F1 {found.challenger:.3f} against the champion's {found.champion:.3f} on {len(classes):,} items: "
        f"{found.gain:+.3f} (at least {-params.loss:+.3f}), in 95 of 100 resamples from {found.low:+.3f} (above "
        f"{-params.margin:+.3f}) to {found.high:+.3f}"
    )
    # Labels of new items cannot be held against anything; those that both trainings agree on can be believed.
    if params.min_items <= confirmed.sum() < len(classes):
        old = _paired(_of(champion, confirmed), _of(challenger, confirmed), classes[confirmed], params)
        figures["confirmed_gain"] = old.gain
        passed = passed and old.gain >= -params.margin
        detail += (
            f"; on the {confirmed.sum():,} that the champion held out too {old.gain:+.3f} (at least "
            f"{-params.margin:+.3f})"
        )
    return GateCheck(name="weighted_f1", passed=passed, detail=f"{detail}.", figures=figures)


def check_first_f1(challenger: Answers, classes: Classes, params: GateParams) -> GateCheck:
    """Where there is no champion."""
    found = score(challenger.fused, classes).get("weighted_f1", 0.0)
    return GateCheck(
        name="weighted_f1",
        passed=found >= params.first,
        detail=f"Weighted F1 {found:.3f} on {len(classes):,} items (at least {params.first:.3f}); no champion.",
        figures={"challenger": found},
    )


def check_classes(champion: Answers, challenger: Answers, classes: Classes, params: GateParams) -> GateCheck:
    before, after = (per_class(confusion(answers.fused, classes)) for answers in (champion, challenger))
    large = (before["support"] >= params.classes.min_items).to_numpy()
    codes, gains = np.array(CODES)[large], (after["f1"] - before["f1"]).to_numpy()[large]
    if not len(gains):
        told = f"No type has {params.classes.min_items} held-out items, so none is judged by itself."
        return GateCheck(name="classes", passed=True, detail=told, figures={"judged": 0})
    worst, gain = int(codes[gains.argmin()]), float(gains.min())
    return GateCheck(
        name="classes",
        passed=gain >= -params.classes.loss,
        detail=(
            f"Of {len(gains)} types with at least {params.classes.min_items} items, {_named(worst)} did worst: F1 "
            f"{gain:+.3f} (at least {-params.classes.loss:+.3f})."
        ),
        figures={"judged": len(gains), "worst_type": worst, "worst_gain": gain},
    )


def check_calibration(champion: Answers, challenger: Answers, classes: Classes, params: GateParams) -> GateCheck:
    before, after = (calibration_error(answers.fused, classes) for answers in (champion, challenger))
    return GateCheck(
        name="calibration",
        passed=after - before <= params.calibration,
        detail=(
            f"Calibration error {after:.3f} against the champion's {before:.3f}: {after - before:+.3f} (at most "
            f"{params.calibration:+.3f})."
        ),
        figures={"champion": before, "challenger": after},
    )


def check_coverage(champion: Answers, challenger: Answers, classes: Classes, params: GateParams) -> GateCheck:
    """Of those who accept what is above each model's own threshold."""
    before, after = (
        review_figures(answers.review, *judged(answers.fused, classes)) for answers in (champion, challenger)
    )
    allowed, promised = params.review, challenger.review.precision
    # Who accepts nothing is never wrong. No more is asked than what the threshold promises.
    asked = min(before.get("review_precision", promised), promised) - allowed.precision
    least, precision = before["review_coverage"] - allowed.coverage, after.get("review_precision", 1.0)
    return GateCheck(
        name="coverage",
        passed=after["review_coverage"] >= least and precision >= asked,
        detail=(
            f"{after['review_coverage']:.1%} accepted without a look against the champion's "
            f"{before['review_coverage']:.1%} (at least {max(least, 0):.1%}), of which right {precision:.1%} (at least "
            f"{asked:.1%})."
        ),
        figures={
            "champion": before["review_coverage"],
            "challenger": after["review_coverage"],
            "champion_precision": before.get("review_precision", 1.0),
            "challenger_precision": precision,
        },
    )


def check_latency(champion: Latency, challenger: Latency, params: GateParams) -> GateCheck:
    text, image = challenger.text / champion.text, challenger.image / champion.image
    return GateCheck(
        name="latency",
        passed=max(text, image) <= params.latency,
        detail=(
            f"A text takes {challenger.text:.2f} ms against the champion's {champion.text:.2f} ({text:.2f} times), a "
            f"picture {challenger.image:.1f} ms against {champion.image:.1f} ({image:.2f} times; at most "
            f"{params.latency:.2f})."
        ),
        figures={
            "champion_text_ms": champion.text,
            "challenger_text_ms": challenger.text,
            "champion_image_ms": champion.image,
            "challenger_image_ms": challenger.image,
        },
    )


def _paired(champion: Answers, challenger: Answers, classes: Classes, params: GateParams) -> PairedF1:
    said = (answers.fused.argmax(axis=1) for answers in (champion, challenger))
    return compare(classes, *said, width=len(CODES), resamples=params.resamples, seed=params.seed)


def _of(answers: Answers, rows: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Answers:
    return Answers(answers.fused[rows], answers.review)


def _named(code: int) -> str:
    return f"{code} ({name_of(code)})"
