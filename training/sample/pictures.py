"""Drawn pictures for the sample catalogue: a patterned shape on white, with a little noise."""

import math
from random import Random

from PIL import Image, ImageColor, ImageDraw

from training.sample.vocabulary import Look

Point = tuple[float, float]
Polygon = list[Point]
Rgb = tuple[int, int, int]

NOISE = 0.06  # share of the noise in every pixel


def _regular(corners: int) -> Polygon:
    angles = [2 * math.pi * corner / corners - math.pi / 2 for corner in range(corners)]
    return [(math.cos(angle), math.sin(angle)) for angle in angles]


def _box(left: float, top: float, right: float, bottom: float) -> Polygon:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _star(inner: float) -> Polygon:
    return [(x * (inner if i % 2 else 1), y * (inner if i % 2 else 1)) for i, (x, y) in enumerate(_regular(10))]


def _heart() -> Polygon:
    turns = [math.tau * step / 40 for step in range(40)]
    return [
        (math.sin(t) ** 3, -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16)
        for t in turns
    ]


# Each shape is a union of polygons; coordinates run from -1 to 1, y downwards.
SHAPES: dict[str, list[Polygon]] = {
    "tall": [_box(-0.65, -1, 0.65, 1)],
    "wide": [_box(-1, -0.5, 1, 0.5)],
    "square": [_box(-0.85, -0.85, 0.85, 0.85)],
    "stack": [_box(-0.9, y, 0.9, y + 0.4) for y in (-0.9, -0.4, 0.1, 0.6)],
    "disc": [_regular(48)],
    "ring": [_regular(48)],
    "diamond": [_regular(4)],
    "star": [_star(0.45)],
    "heart": [_heart()],
    "cross": [_box(-1, -0.35, 1, 0.35), _box(-0.35, -1, 0.35, 1)],
    "house": [_box(-0.75, -0.2, 0.75, 0.9), [(-1, -0.2), (0, -1), (1, -0.2)]],
    "bottle": [_box(-0.5, -0.3, 0.5, 1), _box(-0.2, -1, 0.2, -0.3)],
    "bone": [_box(-0.7, -0.2, 0.7, 0.2), *(_box(x, y, x + 0.4, y + 0.5) for x in (-1, 0.6) for y in (-0.5, 0))],
    "arrow": [_box(-1, -0.25, 0.4, 0.25), [(0.4, -0.7), (1, 0), (0.4, 0.7)]],
}
HOLES: dict[str, Polygon] = {"ring": [(0.6 * x, 0.6 * y) for x, y in _regular(48)]}
# The part of the 12 × 12 surface in the accent colour.
PATTERNS: dict[str, list[Polygon]] = {
    "band": [_box(0, 5, 13, 7)],
    "stripes": [_box(x, 0, x + 1, 13) for x in range(0, 13, 2)],
    "checks": [_box(x, y, x + 1, y + 1) for x in range(13) for y in range(x % 2, 13, 2)],
    "dots": [[(x + 0.5 * u, y + 0.5 * v) for u, v in _regular(12)] for x in range(1, 13, 2) for y in range(1, 13, 2)],
}


def draw_picture(look: Look, random: Random) -> Image.Image:
    """Draw the look as a square RGB picture, 224 to 500 px wide; size, place, angle and shade vary."""
    side = random.randint(224, 500)
    surface = _pattern(look.pattern, _shade(look.colour, random), _shade(look.accent, random), side)
    picture = Image.new("RGB", (side, side), "white")
    picture.paste(surface, mask=_mask(look.shape, side, random))
    # Coarse noise disturbs a classifier as much as fine noise does, and the JPEG stays small.
    coarse = side // 4
    noise = Image.frombytes("RGB", (coarse, coarse), random.randbytes(3 * coarse * coarse)).resize(picture.size)
    return Image.blend(picture, noise, NOISE)


def _shade(colour: str, random: Random) -> Rgb:
    red, green, blue = (min(255, max(0, part + random.randint(-25, 25))) for part in ImageColor.getrgb(colour)[:3])
    return red, green, blue


def _pattern(name: str, colour: Rgb, accent: Rgb, side: int) -> Image.Image:
    surface = Image.new("RGB", (side, side), colour)
    draw = ImageDraw.Draw(surface)
    step = side // 12
    for polygon in PATTERNS[name]:
        draw.polygon(_placed(polygon, (0, 0), step), fill=accent)
    return surface


def _mask(shape: str, side: int, random: Random) -> Image.Image:
    radius = side * random.uniform(0.28, 0.42)
    centre = (side * random.uniform(0.45, 0.55), side * random.uniform(0.45, 0.55))
    mask = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(mask)
    for polygon in SHAPES[shape]:
        draw.polygon(_placed(polygon, centre, radius), fill=255)
    if shape in HOLES:
        draw.polygon(_placed(HOLES[shape], centre, radius), fill=0)
    return mask.rotate(random.uniform(-15, 15), resample=Image.Resampling.BILINEAR)


def _placed(polygon: Polygon, centre: Point, radius: float) -> Polygon:
    return [(centre[0] + radius * x, centre[1] + radius * y) for x, y in polygon]
