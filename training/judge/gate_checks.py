"""The conditions of a promotion: each function takes figures and returns a `GateCheck` with a readable sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score

from shared.model.fusion import Probabilities
from shared.model.levels import Levels
from shared.model.review import Review
from shared.pipeline.params import GateParams
from shared.pipeline.stages import GateCheck
from training.judge.bootstrap import PairedF1, compare
from training.judge.held_out import HeldOut, Relabelled
from training.judge.latency import Latency
from training.judge.levels import hierarchical_f1
from training.judge.review import Correct, judged, review_figures
from training.judge.scores import Classes, calibration_error, confusion, per_class, score
from training.pipeline.categories import Categories

_NAMED = 5
"""Categories that a sentence names."""


@dataclass(frozen=True)
class Answers:
    """A model's answers to some items, and the confidence from which they are accepted."""

    fused: Probabilities
    review: Review
    always: Probabilities | None = None
    """The answers with every picture looked at, which the gate tells and does not judge; `None`: the same answers."""

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Answers":
        """Return the answers to the items for which `chosen`, of shape (items,), is true."""
        return Answers(self.fused[chosen], self.review, None if self.always is None else self.always[chosen])


def check_held_out(
    held_out: HeldOut, items: int, params: GateParams, *, champion: bool, protected: str | None = None
) -> GateCheck:
    """Check that there are enough items to judge on.

    Args:
        items: How many there are.
        champion: Whether there is one.
        protected: The name of the operator's protected set, if the items are of it.
    """
    if protected is not None:
        judges = f"items of the protected set {protected} that neither model has learned from"
    elif champion:
        judges = "items that the champion's training held out with the same label"
    else:
        judges = "held-out items"
    found = f"{items:,} {judges} (at least {params.min_items:,})"
    if items >= params.min_items:
        detail = f"Judged on {found}."
    else:
        detail = f"Too few to judge on: {found}."
        if champion:
            detail += " A model is not judged by labels that it learned from alone, so a person decides."
    return GateCheck(
        name="held_out",
        passed=items >= params.min_items,
        detail=f"{detail} {_others(held_out, champion=champion)}",
        figures={
            "items": items,
            "confirmed": int(held_out.confirmed.sum()),
            "new": int(held_out.new.sum()),
            "learned": held_out.learned,
            "disputed": held_out.disputed,
        },
    )


def _others(held_out: HeldOut, *, champion: bool) -> str:
    if held_out.champion_tells:
        return (
            f"Of the other held-out items the champion's training did not know {held_out.new.sum():,} and learned from "
            f"{held_out.learned:,}; {held_out.disputed:,} have a disputed label."
        )
    return "The champion's bundle does not say what it learned from." if champion else "There is no champion."


def check_labels(
    overall: Relabelled, by_code: Mapping[str, Relabelled], categories: Categories, params: GateParams
) -> GateCheck:
    """Check that few labels differ from those that the champion's training knew.

    A category with few items counts only where chance does not explain what has changed.
    """
    allowed, enough = params.relabelled, params.classes.min_items
    shares = {
        code: found.share
        for code, found in by_code.items()
        if found.shared >= enough or found.least > allowed.share_of_class
    }
    worst = max(shares, key=shares.__getitem__, default=None)
    share = 0.0 if worst is None else shares[worst]
    of_category = f", of {categories.told(worst)} {share:.1%}" if worst is not None and share else ""
    detail = (
        f"{overall.changed:,} of {overall.shared:,} items that the champion's training knew now have another label: "
        f"{overall.share:.1%} (at most {allowed.share:.1%}){of_category} "
        f"(at most {allowed.share_of_class:.1%} of a category)."
    )
    return GateCheck(
        name="labels",
        passed=overall.share <= allowed.share and share <= allowed.share_of_class,
        detail=detail
        if overall.shared
        else "The champion's training knew none of these items: no label can be compared.",
        figures={
            "shared": overall.shared,
            "changed": overall.changed,
            "share": overall.share,
            "worst_type_share": share,
        },
    )


def check_contradictions(champion: Answers, classes: Classes, categories: Categories, params: GateParams) -> GateCheck:
    """Check that few labels of a catalogue contradict the champion where it is sure of its answer.

    It is sure above its review threshold, or without one from the precision on that the threshold aims at: confidences
    are calibrated. A type's share is taken of the items that the champion puts there, and of those labelled so.
    """
    allowed, threshold = params.contradicted, champion.review.threshold
    confidence, right = judged(champion.fused, classes)
    sure = confidence >= (champion.review.precision if threshold is None else threshold)  # NaN is not
    wrong, said = ~right[sure], champion.fused.argmax(axis=1)[sure]
    share = float(wrong.mean()) if len(wrong) else 0.0
    none = (
        f"The champion is sure of none of the {len(classes):,} items of the catalogue that it was asked."
        if len(classes)
        else "The champion knows none of the catalogue's categories, so no label can contradict it."
    )
    worst, worst_share = _worst(wrong, [said, classes[sure]], len(categories), params.classes.min_items)
    of_category = "" if worst is None else f", of {categories.told(categories.codes[worst])} {worst_share:.1%}"
    return GateCheck(
        name="contradictions",
        passed=share <= allowed.share and worst_share <= allowed.share_of_class,
        detail=(
            f"Of {len(wrong):,} items of the catalogue of which the champion is sure, {share:.1%} have another label "
            f"(at most {allowed.share:.1%}){of_category} (at most {allowed.share_of_class:.1%} of a category)."
        )
        if len(wrong)
        else none,
        figures={
            "asked": len(classes),
            "sure": len(wrong),
            "share": share,
            "worst_type_share": worst_share,
        },
    )


def check_f1(
    champion: Answers,
    challenger: Answers,
    classes: Classes,
    params: GateParams,
    *,
    name: str = "weighted_f1",
    what: str = "items",
    levels: Levels | None = None,
) -> GateCheck:
    """Check that the challenger's weighted F1 is not worse than the champion's by more than is allowed.

    Args:
        name: The check's.
        what: What the items are, as in "200 items that are new".
        levels: What is above the categories, for the hierarchical F1, which is told beside it and does not decide.
    """
    found = _paired(champion, challenger, classes, params)
    both = {"champion": champion, "challenger": challenger}
    trees = {
        f"{who}_hierarchical": hierarchical_f1(answers.fused, classes, levels)
        for who, answers in both.items()
        if levels is not None and levels.depth
    }
    always = {
        f"{who}_always": score(answers.fused if answers.always is None else answers.always, classes)["weighted_f1"]
        for who, answers in both.items()
        if len(classes) and not (champion.always is None and challenger.always is None)
    }
    told = ""
    if trees:
        told += f" Hierarchical F1 {trees['challenger_hierarchical']:.3f} against {trees['champion_hierarchical']:.3f}."
    if always:
        told += (
            f" With every picture looked at, weighted F1 {always['challenger_always']:.3f} against "
            f"{always['champion_always']:.3f}."
        )
    return GateCheck(
        name=name,
        passed=found.low > -params.margin and found.gain >= -params.loss,
        detail=(
            f"Weighted F1 {found.challenger:.3f} against the champion's {found.champion:.3f} on {len(classes):,} "
            f"{what}: {found.gain:+.3f} (at least {-params.loss:+.3f}), in 95 of 100 resamples from {found.low:+.3f} "
            f"(above {-params.margin:+.3f}) to {found.high:+.3f}.{told}"
        ),
        figures={
            "champion": found.champion,
            "challenger": found.challenger,
            "gain": found.gain,
            "low": found.low,
            "high": found.high,
            **trees,
            **always,
        },
    )


def check_first_f1(challenger: Answers, classes: Classes, params: GateParams) -> GateCheck:
    """Check the challenger's weighted F1 alone, because there is no champion."""
    found = score(challenger.fused, classes).get("weighted_f1", 0.0)
    return GateCheck(
        name="weighted_f1",
        passed=found >= params.first,
        detail=f"Weighted F1 {found:.3f} on {len(classes):,} items (at least {params.first:.3f}); no champion.",
        figures={"challenger": found},
    )


def check_classes(
    champion: Answers, challenger: Answers, classes: Classes, categories: Categories, params: GateParams
) -> GateCheck:
    """Check that no category with enough items loses much F1."""
    before, after = (per_class(confusion(answers.fused, classes), categories) for answers in (champion, challenger))
    large = (before["support"] >= params.classes.min_items).to_numpy()
    gains = (after["f1"] - before["f1"]).to_numpy()[large]
    if not len(gains):
        detail = f"No category has {params.classes.min_items} held-out items, so none is judged by itself."
        return GateCheck(name="classes", passed=True, detail=detail, figures={"judged": 0})
    worst, gain = str(after["code"][large].iloc[gains.argmin()]), float(gains.min())
    return GateCheck(
        name="classes",
        passed=gain >= -params.classes.loss,
        detail=(
            f"Of {len(gains)} categories with at least {params.classes.min_items} items, {categories.told(worst)} did "
            f"worst: F1 {gain:+.3f} (at least {-params.classes.loss:+.3f})."
        ),
        figures={"judged": len(gains), "worst_gain": gain},
    )


def check_new_categories(
    challenger: Answers | None,
    classes: Classes,
    categories: Categories,
    new: npt.NDArray[np.bool_],
    params: GateParams,
) -> GateCheck:
    """Check the answers to held-out items of categories that the champion cannot answer.

    Args:
        challenger: Its answers to these items; `None` if there is none.
        classes: What they are labelled with.
        new: For each class whether it is new.
    """
    bar = params.new_categories
    codes = [code for code, is_new in zip(categories.codes, new, strict=True) if is_new]
    shown = ", ".join(map(categories.told, codes[:_NAMED])) + (", …" if len(codes) > _NAMED else "")
    number = f"{len(codes):,} {'category is' if len(codes) == 1 else 'categories are'} new to the champion ({shown})"
    figures: dict[str, float] = {"categories": len(codes), "items": len(classes)}
    if challenger is None or len(classes) < bar.min_items:
        detail = f"{number}, with {len(classes):,} held-out items: too few to judge them by ({bar.min_items:,})."
        return GateCheck(name="new_categories", passed=True, detail=detail, figures=figures)
    predicted = challenger.fused.argmax(axis=1)
    figures["f1"] = float(f1_score(classes, predicted, labels=np.flatnonzero(new), average="weighted", zero_division=0))
    return GateCheck(
        name="new_categories",
        passed=figures["f1"] >= bar.f1,
        detail=f"{number}: F1 {figures['f1']:.3f} on {len(classes):,} held-out items (at least {bar.f1:.3f}).",
        figures=figures,
    )


def check_calibration(champion: Answers, challenger: Answers, classes: Classes, params: GateParams) -> GateCheck:
    """Check that the calibration error does not grow by more than is allowed."""
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
    """Check how much is accepted above each model's own threshold, and how much of that is right."""
    before, after = (
        review_figures(answers.review, *judged(answers.fused, classes)) for answers in (champion, challenger)
    )
    allowed, promised = params.review, challenger.review.precision
    # A model that accepts nothing is never wrong. No more is required than the threshold promises.
    required = min(before.get("review_precision", promised), promised) - allowed.precision
    least, precision = before["review_coverage"] - allowed.coverage, after.get("review_precision", 1.0)
    return GateCheck(
        name="coverage",
        passed=after["review_coverage"] >= least and precision >= required,
        detail=(
            f"{after['review_coverage']:.1%} accepted without review against the champion's "
            f"{before['review_coverage']:.1%} (at least {max(least, 0):.1%}), of which right {precision:.1%} (at least "
            f"{required:.1%})."
        ),
        figures={
            "champion": before["review_coverage"],
            "challenger": after["review_coverage"],
            "champion_precision": before.get("review_precision", 1.0),
            "challenger_precision": precision,
        },
    )


def check_latency(champion: Latency, challenger: Latency, params: GateParams) -> GateCheck:
    """Check that answers do not take much longer."""
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
    predicted = (answers.fused.argmax(axis=1) for answers in (champion, challenger))
    return compare(classes, *predicted, width=challenger.fused.shape[1], resamples=params.resamples, seed=params.seed)


def _worst(wrong: Correct, groups: Sequence[Classes], width: int, min_items: int) -> tuple[int | None, float]:
    """Return the class with the greatest share of wrong items, and this share, by any grouping of the items."""
    worst, greatest = None, 0.0
    for classes in groups:
        totals = np.bincount(classes, minlength=width)
        shares = np.bincount(classes, weights=wrong, minlength=width) / np.maximum(totals, 1)
        shares[totals < min_items] = 0
        if shares.max() > greatest:
            worst, greatest = int(shares.argmax()), float(shares.max())
    return worst, greatest
