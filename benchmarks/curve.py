"""The curve of speed against quality: VGG16's input size and precision, with heads trained for each.

Each point has heads of its own, trained on the same pictures; they are fused with the starter's text network. The items
that answer are those that neither the heads nor the text network have seen. int8, which is served, is also trained on
all pictures. Features, and the heads' answers, are kept in `--store`: a second run only measures the speeds.

    .venv/bin/python -m benchmarks.curve --imported data/imported --weights vgg16_notop.weights.h5

Without `--imported` it generates a sample catalogue, whose pictures are far easier than real ones.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.backbones import PRECISIONS, SIZES, Backbones, Point, Speed, features, measure, served_sizes
from benchmarks.harness import Options, Plot, Result, Table
from benchmarks.heads import Answers, Catalogue, Rows, answers, standard_error, weighted_f1
from shared.pipeline.params import ImageParams, SampleParams, load_params
from training.catalogue.pictures import iter_pictures
from training.import_data import import_sample
from training.pipeline.prepared import Items

_MARGIN = 0.005
"""Loss of fused weighted F1 that the default may have against the best point."""


@dataclass(frozen=True)
class Quality:
    """A point's answers over the evaluation's items, the picture alone and fused with the text."""

    learned: int
    """Items that the heads were trained on."""
    evaluation: Items
    image: Answers
    fused: Answers

    @property
    def image_f1(self) -> float:
        seen = self.evaluation.has_image
        return weighted_f1(self.image[:, seen], self.evaluation.classes[seen])

    @property
    def fused_f1(self) -> float:
        return weighted_f1(self.fused, self.evaluation.classes)

    def error_against(self, other: "Quality") -> float:
        """The standard error of the difference of the two fused figures."""
        return standard_error(self.fused, other.fused, self.evaluation.classes)


class Curve:
    """Quality and speed by point; `home` keeps what was computed for the first."""

    def __init__(
        self, catalogue: Catalogue, backbones: Backbones, home: Path, params: ImageParams, count: int, seeds: int
    ) -> None:
        """`count` pictures are drawn to train on, and as many to score, where every point gets the same."""
        self._catalogue, self._backbones, self._home, self._params = catalogue, backbones, home, params
        self._drawn = catalogue.drawn(count)
        self._seeds = range(1, seeds + 1)

    def among_drawn(self, point: Point) -> Quality:
        """Trained and scored on items with one of the drawn pictures."""
        rows, training = self._catalogue.rows_with(self._drawn), self._catalogue.training
        return self._quality(point, f"{len(self._drawn)} pictures", self._drawn, rows & training, rows & ~training)

    def among_all(self, point: Point) -> Quality:
        """Trained on all training pictures, scored on all other items, with and without a picture."""
        training, pictured = self._catalogue.training, self._catalogue.has_picture
        wanted = self._catalogue.hashes(pictured)
        return self._quality(point, "all pictures", wanted, training & pictured, ~training)

    def speeds(self, points: Sequence[Point], rounds: int, timed: int) -> dict[Point, Speed]:
        """Args: timed: pictures that every point and batch size takes in a round."""
        pictures = [data for _, data in islice(iter_pictures(self._catalogue.pictures), timed)]
        return measure(self._backbones, points, pictures, rounds)

    def _quality(self, point: Point, name: str, wanted: set[str], training: Rows, evaluation: Rows) -> Quality:
        store = features(self._backbones, point, self._catalogue.pictures, wanted, self._home)
        answering = self._catalogue.items(evaluation, store)
        kept = self._home / f"answers, {name}, {point}, {len(self._seeds)} seeds.npz"
        learning = self._catalogue.items(training, store)
        image, fused = answers(learning, answering, self._params, self._seeds, kept)
        return Quality(len(learning.words), answering, image, fused)


def fastest_of_the_good(speeds: Mapping[Point, Speed], quality: Mapping[Point, Quality]) -> Point:
    """The fastest point whose fused weighted F1 is within `_MARGIN` of the best."""
    best = max(found.fused_f1 for found in quality.values())
    good = [point for point, found in quality.items() if found.fused_f1 >= best - _MARGIN]
    return max(good, key=lambda point: speeds[point].computing)


def table(quality: Mapping[Point, Quality], best: Point, caption: str, speeds: Mapping[Point, Speed]) -> Table:
    """A row per point; the fused figure's distance from the best one's, with its standard error."""
    slowest = min(speeds.values(), key=lambda speed: speed.computing)
    rows = []
    for point, found in quality.items():
        speed, behind = speeds[point], 100 * (found.fused_f1 - quality[best].fused_f1)
        error = 100 * found.error_against(quality[best])
        rows.append(
            (
                point.precision,
                point.size,
                f"{speed.computing:.1f} (batches of {speed.batch})",
                round(speed.with_decoding, 1),
                round(speed.computing / slowest.computing, 2),
                round(found.image_f1, 4),
                round(found.fused_f1, 4),
                "best" if point == best else f"{behind:+.2f} ± {error:.2f}",
            )
        )
    columns = ("precision", "input", "pictures/s", "with decoding", "× the slowest", "image F1", "fused F1", "points")
    return Table(columns, rows, caption)


def plot(quality: Mapping[Point, Quality], speeds: Mapping[Point, Speed]) -> Plot:
    names = dict.fromkeys(point.precision for point in quality)
    points = {name: [point for point in quality if point.precision == name] for name in names}
    return Plot(
        series={
            name: [(speeds[point].computing, quality[point].fused_f1) for point in line]
            for name, line in points.items()
        },
        x="pictures per second",
        y="weighted F1, fused with the text",
        labels={name: [str(point.size) for point in line] for name, line in points.items()},
        log_x=True,
    )


def best_of(quality: Mapping[Point, Quality]) -> Point:
    return max(quality, key=lambda point: quality[point].fused_f1)


def add_options(parser: Options, rounds: tuple[int, int]) -> None:
    """What `opened` needs, and how many rounds the speeds take: in the long and in the short form."""
    parser.add_argument("--imported", type=Path, help="output of import_data; else a sample is generated")
    parser.add_argument("--store", type=Path, help="keeps features and heads' answers, of one catalogue and --weights")
    parser.add_argument("--weights", default="starter", help="a file with VGG16's convolutions before quantisation")
    parser.add_amount("pictures", 1500, 60, "trained on, and scored on")
    parser.add_amount("rounds", *rounds)
    parser.add_amount("timed", 8, 4, "pictures in a round")


@contextmanager
def opened(chosen: argparse.Namespace) -> Iterator[Curve]:
    params = load_params()
    with TemporaryDirectory() as folder:
        imported = chosen.imported or Path(folder) / "imported"
        if chosen.imported is None:
            import_sample(SampleParams(per_type=6 if chosen.short else 60, seed=params.preprocess.seed), imported)
        home = chosen.store or Path(folder) / "store"
        home.mkdir(parents=True, exist_ok=True)
        catalogue = Catalogue(imported, params.preprocess)
        seeds = 1 if chosen.short else 3
        yield Curve(
            catalogue, Backbones(chosen.weights, home / "original"), home, params.train.image, chosen.pictures, seeds
        )


def main() -> None:
    parser = Options("curve", __doc__)
    add_options(parser, rounds=(4, 1))
    chosen = parser.chosen()
    sizes = served_sizes() if chosen.short else SIZES
    points = [Point(precision, size) for precision in PRECISIONS for size in sizes]
    with opened(chosen) as curve:
        among = {point: curve.among_drawn(point) for point in points}
        served = {point: curve.among_all(point) for point in points if point.precision == "int8"}
        speeds = curve.speeds(points, chosen.rounds, chosen.timed)

    default = fastest_of_the_good(speeds, served)
    behind = 100 * (served[default].fused_f1 - max(found.fused_f1 for found in served.values()))
    best = best_of(among)
    Result(
        name="curve",
        title="Speed against quality: the input's size and VGG16's precision, heads trained for each",
        target="the curve is drawn; the default is the fastest point within 0.5 points of the best",
        outcome=f"{default}, {behind:+.2f} points; the best of the equally trained points is {best}",
        reached=True,
        tables=[
            table(among, best, _caption(among[best], "The same pictures for every point"), speeds),
            table(served, best_of(served), _caption(served[default], "As served, all pictures"), speeds),
        ],
        notes=[
            "weighted F1, the mean over the heads' seeds; `points`: hundredths of fused F1 behind the best, with "
            "the standard error of that difference over resampled items (paired)",
            "neither the heads nor the text network have seen these items; each is fused with weights that were "
            "fitted without it",
            "the floating-point precisions use VGG16's original weights"
            if chosen.weights != "starter"
            else "the floating-point precisions use the starter's weights",
            "real products" if chosen.imported else "a generated sample catalogue, far easier than real products",
        ],
        plot=plot(among, speeds),
        command=f"python -m benchmarks.curve {as_typed(chosen)}",
    ).save(chosen.output)
    print(f"the default: {default}")


def _caption(found: Quality, which: str) -> str:
    scored, seeds = len(found.evaluation.words), len(found.image)
    return f"{which}: heads trained on {found.learned} items with a picture, scored on {scored} others; {seeds} seeds"


def as_typed(chosen: argparse.Namespace) -> str:
    """Options without the names of this machine's folders."""
    real = "--imported FOLDER --weights FILE" if chosen.imported else ""
    return " ".join(filter(None, [real, "--short" if chosen.short else ""]))


if __name__ == "__main__":
    main()
