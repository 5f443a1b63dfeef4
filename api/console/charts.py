"""Small charts as SVG, drawn by the templates: a page loads no library for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

WIDTH, HEIGHT, MARGIN = 640, 160, 24
_MOST = 60
"""Points that are drawn, the latest ones."""
_LEAST_SPAN = 0.02
"""The least difference that fills the height, so that noise looks like noise."""


@dataclass(frozen=True)
class Point:
    name: str
    value: float
    x: float
    y: float


@dataclass(frozen=True)
class LineChart:
    """A line through values by name, in their order."""

    points: Sequence[Point]
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[tuple[str, float]]) -> Self | None:
        """Return the chart; `None` for fewer than two values."""
        shown = values[-_MOST:]
        if len(shown) < 2:
            return None
        middle = (max(value for _, value in shown) + min(value for _, value in shown)) / 2
        span = max(max(value for _, value in shown) - min(value for _, value in shown), _LEAST_SPAN)
        lowest = middle - span / 2
        step = (WIDTH - 2 * MARGIN) / (len(shown) - 1)
        points = [
            Point(name, value, MARGIN + place * step, HEIGHT - MARGIN - (value - lowest) / span * (HEIGHT - 2 * MARGIN))
            for place, (name, value) in enumerate(shown)
        ]
        return cls(points, lowest, lowest + span)

    @property
    def line(self) -> str:
        """The points as an SVG polyline has them."""
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in self.points)
