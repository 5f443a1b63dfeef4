"""Pictures that take long to decode, although neither their bytes nor their pixels say so."""

import io
import subprocess
import sys

import numpy as np
import psutil
import pytest
from PIL import Image

from shared.model.images import UnreadableImageError, decode
from shared.settings import ROOT
from tests.pictures import clouds, jpeg, many_profiles, many_scans


def test_jpeg_of_a_thousand_scans_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(UnreadableImageError, match="JPEG of 1,000 scans; at most 100") as caught:
        decode(many_scans(1000))
    assert caught.value.code == "image_too_costly"


@pytest.mark.parametrize("scans", [10, 100], ids=["usual", "most"])
def test_jpeg_of_permitted_scans_is_read(scans: int) -> None:
    assert (decode(many_scans(scans)) == decode(jpeg("green", (300, 300)))).all()


def test_film_behind_a_jpeg_does_not_count_as_scans() -> None:
    film = b"\0\0\0\x18ftypmp42" + b"\xff\xda\0\x0c" * 500
    picture = clouds(1, 120)
    assert (decode(picture + film) == decode(picture)).all()


def test_picture_that_takes_too_long_is_ended_and_the_next_one_is_read() -> None:
    """There are too many profiles to leave them out, and Pillow unpacks every one: 12 GB."""
    with pytest.raises(UnreadableImageError, match="far longer than others of its size") as caught:
        decode(many_profiles(60_000, size=200_000))
    assert caught.value.code == "image_too_costly"
    assert (decode(many_scans(50)) == decode(many_scans(10))).all()


def test_metadata_of_gigabytes_is_not_unpacked() -> None:
    """Pillow would unpack every profile: 14 GB."""
    assert (decode(many_profiles(14_000)) == decode(many_profiles(1))).all()


def test_process_that_was_killed_is_replaced() -> None:
    picture = many_scans(50)
    before = decode(picture)
    for process in psutil.Process().children():
        if "shared.model.images" in process.cmdline():
            process.kill()
    assert (decode(picture) == before).all()


def test_process_that_cannot_start_is_no_fault_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    for process in psutil.Process().children():
        if "shared.model.images" in process.cmdline():
            process.kill()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(OSError, match="does not start"):
        decode(many_scans(50))


_CHILDREN = """
import sys
from pathlib import Path
import psutil
from shared.model.images import decode
for name in sys.argv[1:]:
    decode(Path(name).read_bytes())
print(len(psutil.Process().children()))
"""


def test_usual_pictures_are_decoded_without_another_process(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("usual")
    noise = Image.fromarray(np.random.default_rng(2).integers(0, 256, (900, 900, 3), np.uint8))
    kinds = {"a": ("JPEG", {}), "b": ("JPEG", {"progressive": True}), "c": ("PNG", {}), "d": ("WEBP", {})}
    for name, (kind, options) in kinds.items():
        buffer = io.BytesIO()
        noise.save(buffer, kind, **options)
        (folder / name).write_bytes(buffer.getvalue())
    command = [sys.executable, "-c", _CHILDREN, *map(str, folder.iterdir())]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout.strip() == "0"
