"""VGG16 in int8 against f32: pictures per second, and weighted F1 of heads trained for each.

At the served input size and at VGG16's own, 224. Options, features and the heads' answers are those of
`benchmarks.curve`. Run it as

    .venv/bin/python -m benchmarks.precision --imported data/imported --store FOLDER --weights FILE
"""

from benchmarks.backbones import Point, served_sizes
from benchmarks.curve import Curve, add_options, as_typed, opened
from benchmarks.harness import Options, Result, Table
from shared.model.bundle import Bundle
from training.pipeline.layout import STARTER

_FASTER, _WORSE = 3.7, 0.3


def compare(curve: Curve, size: int, rounds: int, timed: int) -> tuple[float, float, Table]:
    """How many times as fast int8 is, how many points of fused weighted F1 it gains, and the figures."""
    int8, f32 = Point("int8", size), Point("f32", size)
    speeds = curve.speeds([int8, f32], rounds, timed)
    quality = {point: curve.among_drawn(point) for point in (int8, f32)}
    faster = speeds[int8].computing / speeds[f32].computing
    gained = 100 * (quality[int8].fused_f1 - quality[f32].fused_f1)
    error = 100 * quality[int8].error_against(quality[f32])
    rows = [
        (
            point.precision,
            f"{speeds[point].computing:.1f} (batches of {speeds[point].batch})",
            round(speeds[point].with_decoding, 1),
            round(quality[point].image_f1, 4),
            round(quality[point].fused_f1, 4),
        )
        for point in (int8, f32)
    ]
    caption = (
        f"Input {size}×{size}: int8 is {faster:.2f} times as fast; fused F1 {gained:+.2f} ± {error:.2f} points, "
        f"heads trained on {quality[int8].learned} items and scored on {len(quality[int8].evaluation.words)}"
    )
    columns = ("precision", "pictures/s", "with decoding", "image F1", "fused F1")
    return faster, gained, Table(columns, rows, caption)


def main() -> None:
    parser = Options("precision", __doc__)
    add_options(parser, rounds=(7, 1))
    chosen = parser.chosen()
    starter = Bundle.load(STARTER).manifest
    with opened(chosen) as curve:
        compared = [compare(curve, size, chosen.rounds, chosen.timed) for size in served_sizes()]
    evaluated = ", ".join(f"{name} {figure:.4f}" for name, figure in sorted(starter.evaluated.items()))
    Result(
        name="precision",
        title="VGG16 in int8 against f32",
        target=f"at least {_FASTER}× the pictures per second, weighted F1 within {_WORSE} points",
        outcome="; ".join(f"{faster:.2f}×, {gained:+.2f} points" for faster, gained, _ in compared),
        reached=all(faster >= _FASTER and gained >= -_WORSE for faster, gained, _ in compared),
        tables=[table for _, _, table in compared],
        notes=[
            "the two take turns, each at its best batch size; ± is the standard error of the difference",
            f"the starter, the same heads and fusion on the whole validation split: {evaluated}",
        ],
        command=f"python -m benchmarks.precision {as_typed(chosen)}",
    ).save(chosen.output)
    for _, _, table in compared:
        print(table.caption)


if __name__ == "__main__":
    main()
