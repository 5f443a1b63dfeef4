"""Names of files as systems and archivers write them."""

import io
import struct
import unicodedata
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.file_names import AmbiguousNameError, FilePath, NamedPictures, SameNameError, entry_names

letters = st.sampled_from("aAbéÉöçøñ日 .-_'()&+0")
component = st.text(letters, min_size=1, max_size=6).map(str.strip).filter(lambda name: name not in ("", ".", ".."))
paths = st.lists(component, min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("name", "parts", "absolute"),
    [
        ("a.jpg", ("a.jpg",), False),
        ("pics/a.jpg", ("pics", "a.jpg"), False),
        ("pics\\a.jpg", ("pics", "a.jpg"), False),
        ("./pics//a.jpg", ("pics", "a.jpg"), False),
        ("../pics/x/../a.jpg", ("pics", "a.jpg"), False),
        ("C:\\pics\\a.jpg", ("pics", "a.jpg"), True),
        ("\\\\server\\share\\a.jpg", ("server", "share", "a.jpg"), True),
        ("/home/me/a.jpg", ("home", "me", "a.jpg"), True),
        ("file:///C:/pics/a.jpg", ("pics", "a.jpg"), True),
        ("file:///home/a.jpg", ("home", "a.jpg"), True),
        ("http:a.jpg", ("http:a.jpg",), False),
        (" a.jpg ", ("a.jpg",), False),
        ("..", (), False),
        ("", (), False),
    ],
)
def test_a_path_of_any_system_is_split(name: str, parts: tuple[str, ...], absolute: bool) -> None:
    assert FilePath.of(name) == (parts, absolute)


@given(paths, st.sampled_from(["NFC", "NFD"]), st.sampled_from("/\\"))
def test_a_path_is_one_however_it_is_written(parts: list[str], form: str, separator: str) -> None:
    written = unicodedata.normalize(form, separator.join(parts))  # type: ignore[arg-type]  # one of the two
    assert FilePath.of(written) == FilePath.of("/".join(parts))


@pytest.mark.parametrize(
    "name",
    [
        "__MACOSX/a/._1.jpg",
        "a/Thumbs.db",
        "a/.DS_Store",
        "DESKTOP.INI",
        "@eaDir/1.jpg",
        "$RECYCLE.BIN/1.jpg",
        "a/Icon\r",
    ],
)
def test_what_systems_leave_in_folders_is_known(name: str) -> None:
    assert FilePath.of(name).is_junk


# Zips


def entry(raw: bytes, *, flag: bool = False, extra: bytes = b"") -> zipfile.ZipInfo:
    """What `zipfile` reads of a zip with one file of this name."""
    flags, data = 0x800 if flag else 0, b"x"
    sizes = struct.pack("<III", zlib.crc32(data), 1, 1)
    local = struct.pack("<4s5H", b"PK\x03\x04", 20, flags, 0, 0, 0x21) + sizes + struct.pack("<HH", len(raw), 0) + raw
    central = struct.pack("<4s6H", b"PK\x01\x02", 0x0314, 20, flags, 0, 0, 0x21) + sizes
    central += struct.pack("<5HII", len(raw), len(extra), 0, 0, 0, 0, 0) + raw + extra
    end = struct.pack("<4s4HIIH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local) + 1, 0)
    (found,) = zipfile.ZipFile(io.BytesIO(local + data + central + end)).infolist()
    return found


def unicode_path(raw: bytes, name: str) -> bytes:
    field = struct.pack("<BL", 1, zlib.crc32(raw)) + name.encode()
    return struct.pack("<HH", 0x5455, 1) + b"\0" + struct.pack("<HH", 0x7075, len(field)) + field


@given(paths, st.booleans(), st.sampled_from(["NFC", "NFD"]))
def test_utf8_in_a_zip_needs_no_flag(parts: list[str], flag: bool, form: str) -> None:
    name = unicodedata.normalize(form, "/".join(parts))  # type: ignore[arg-type]  # one of the two
    assert entry_names(entry(name.encode(), flag=flag)) == (name,)


@pytest.mark.parametrize("page", ["cp437", "cp850", "cp1252"])
def test_one_reading_of_a_local_code_page_is_right(page: str) -> None:
    assert "été/façade Ø.jpg".replace("Ø", "Ü") in entry_names(entry("été/façade Ü.jpg".encode(page)))


def test_info_zips_field_goes_before_the_local_name() -> None:
    raw = b"?t?.jpg"
    assert entry_names(entry(raw, extra=unicode_path(raw, "été.jpg"))) == ("été.jpg",)
    assert entry_names(entry(raw, extra=unicode_path(b"renamed", "été.jpg"))) == ("?t?.jpg",)


@given(st.binary(min_size=1, max_size=20).filter(lambda raw: b"\0" not in raw), st.binary(max_size=30), st.booleans())
def test_no_name_in_a_zip_is_too_strange(raw: bytes, extra: bytes, flag: bool) -> None:
    try:
        found = entry(raw, extra=extra, flag=flag)
    except (zipfile.BadZipFile, UnicodeDecodeError, struct.error):
        return  # `zipfile` refuses it, which ends the request with a message
    assert entry_names(found)


# Which picture an item means


def pictures(*names: str, **contents: str) -> NamedPictures[str]:
    found = NamedPictures[str]()
    for name in names:
        found.add(FilePath.of(name), contents.get(name.partition(".")[0].replace("/", "_"), name))
    return found


@pytest.mark.parametrize(
    ("sent", "named", "found"),
    [
        (["sku1/front.jpg", "sku2/front.jpg"], "sku2/front.jpg", "sku2/front.jpg"),
        (["sku1/front.jpg", "sku2/front.jpg"], "C:\\shop\\sku2\\front.jpg", "sku2/front.jpg"),
        (["shop/sku1/front.jpg", "shop/sku2/front.jpg"], "sku2\\front.jpg", "shop/sku2/front.jpg"),
        (["front.jpg", "sku2/front.jpg"], "front.jpg", "front.jpg"),
        (["a.jpg", "x/b.jpg"], "b.jpg", "x/b.jpg"),
        (["photos/a.jpg"], "C:\\pics\\a.jpg", "photos/a.jpg"),
        (["photos/a.jpg"], "pics/a.jpg", None),
        (["101/front.jpg"], "102/front.jpg", None),
        (["A.JPG"], "a.jpg", "A.JPG"),
        (["A.JPG", "a.jpg"], "a.jpg", "a.jpg"),
        (["my lamp.jpg"], "my%20lamp.jpg", "my lamp.jpg"),
        (["100%20.jpg"], "100%20.jpg", "100%20.jpg"),
        (["a.jpg"], "b.jpg", None),
        (["a.jpg"], "", None),
        (["a.jpg"], "..", None),
    ],
)
def test_an_item_names_its_picture(sent: list[str], named: str, found: str | None) -> None:
    assert pictures(*sent).find(named) == found


@pytest.mark.parametrize("named", ["front.jpg", "FRONT.JPG", "C:\\front.jpg", "/photos/front.jpg"])
def test_a_name_that_two_pictures_have_is_ambiguous(named: str) -> None:
    sent = pictures("sku1/front.jpg", "sku2/front.jpg")
    with pytest.raises(AmbiguousNameError, match=r"may be 'sku1/front.jpg' or 'sku2/front.jpg'"):
        sent.find(named)


def test_copies_of_one_picture_are_not_ambiguous() -> None:
    assert (
        pictures("sku1/front.jpg", "sku2/front.jpg", sku1_front="same", sku2_front="same").find("front.jpg") == "same"
    )


def test_a_path_belongs_to_one_picture() -> None:
    sent = pictures("a/b.jpg")
    sent.add(FilePath.of("a\\b.jpg"), "a/b.jpg")  # once more, with the same bytes
    with pytest.raises(SameNameError, match=r"two pictures are named 'a/b.jpg'"):
        sent.add(FilePath.of("a/b.jpg"), "another")


def test_a_picture_is_found_by_each_reading_of_its_name() -> None:
    sent = NamedPictures[str]()
    first, *others = map(FilePath.of, entry_names(entry("été/1.jpg".encode("cp1252"))))
    sent.add(first, "picture", others)
    assert sent.find("été/1.jpg") == sent.find("1.jpg") == "picture"
    assert len(sent) == 1


@given(st.lists(paths, min_size=1, max_size=6, unique_by=lambda parts: FilePath.of("/".join(parts)).parts))
def test_every_picture_is_found_by_its_path_and_below_further_folders(sent: list[list[str]]) -> None:
    kept = pictures(*("/".join(parts) for parts in sent))
    for parts in sent:
        path = "/".join(parts)
        assert kept[str(FilePath.of(path))] == path
        assert kept.find(path) == path
        try:
            assert kept.find(f"further/folders/{path}") is not None
        except AmbiguousNameError:
            assert len({name.casefold() for name in kept}) < len(kept)
