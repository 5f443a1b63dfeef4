"""Pictures sent as files, under the names that systems, archivers and clients write."""

import io
import json
import zipfile
from typing import Any

import httpx

from stack.services import Stack
from tests.pictures import jpeg
from tests.waiting import finished


def _zip(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def _table(*named: str) -> bytes:
    items = ({"id": f"sku-{number}", "image": {"file": name}} for number, name in enumerate(named))
    return "".join(json.dumps(item) + "\n" for item in items).encode()


FOLDERS = {"export/1/front.jpg": jpeg("red"), "export/2/front.jpg": jpeg("blue"), "export/Thumbs.db": b"no picture"}


def _refused(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 422, answer.text
    errors: list[dict[str, Any]] = answer.json()["errors"]
    return errors


def test_items_name_pictures_in_folders_as_their_tables_do(observed: Stack) -> None:
    table = _table("export/1/front.jpg", "2\\front.jpg", "C:\\shop\\export\\1\\front.jpg", "été.jpg")
    dotnet = b'Content-Disposition: form-data; name=images; filename="=?utf-8?B?w6l0w6kuanBn?="; '
    dotnet += b"filename*=utf-8''%C3%A9t%C3%A9.jpg"
    parts = [
        b'Content-Disposition: form-data; name="items"\r\n\r\n' + table,
        b'Content-Disposition: form-data; name="images"; filename="all.zip"\r\n\r\n' + _zip(FOLDERS),
        dotnet + b"\r\n\r\n" + jpeg("green"),
    ]
    body = b"".join(b"--limit\r\n" + part + b"\r\n" for part in parts) + b"--limit--\r\n"
    with httpx.Client(base_url=observed.url, timeout=60) as api:
        headers = {"Content-Type": "multipart/form-data; boundary=limit"}
        job = api.post("/v1/jobs", content=body, headers=headers)
        assert job.status_code == 202, job.text
        assert finished(api, job.json()["url"])["counts"]["succeeded"] == 4


def test_a_name_that_fits_no_picture_or_two_is_told_with_item_field_and_line(observed: Stack) -> None:
    files = {"images": ("all.zip", _zip(FOLDERS), "application/zip")}
    table = ("items.ndjson", _table("export/1/front.jpg", "front.jpg", "export/3/front.jpg"))
    missing, ambiguous = sorted(
        _refused(httpx.post(f"{observed.url}/v1/jobs", files={**files, "items": table}, timeout=60)),
        key=lambda error: str(error["code"]),
        reverse=True,
    )
    assert (ambiguous["id"], ambiguous["line"], ambiguous["code"]) == ("sku-1", 2, "file_ambiguous")
    assert ambiguous["pointer"].endswith("/image/file")
    assert "'export/1/front.jpg' or 'export/2/front.jpg'" in ambiguous["detail"]
    assert (missing["id"], missing["line"], missing["code"]) == ("sku-2", 3, "file_missing")
    assert "is in another folder" in missing["detail"]


def test_the_table_may_be_in_the_zip(observed: Stack) -> None:
    table = b"id,image\r\nsku-1,1/front.jpg\r\nsku-2,2/front.jpg\r\n"
    files = {"images": ("all.zip", _zip({**FOLDERS, "export/products.CSV": table}), "application/zip")}
    answer = httpx.post(f"{observed.url}/v1/jobs", files=files, timeout=60)
    assert (answer.status_code, answer.json()["counts"]["total"]) == (202, 2), answer.text
