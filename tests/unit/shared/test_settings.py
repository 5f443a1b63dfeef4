import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.settings import ROOT, Settings

RUNNING = (ROOT / "docs/running.md").read_text(encoding="utf-8")
ELSEWHERE = {
    *("CATALOG_API_KEY", "CATALOG_WEBHOOK_SECRET", "CATALOG_URL"),  # the client
    *("CATALOG_IMAGES", "CATALOG_GPU_IMAGE", "CATALOG_TAG"),  # Compose
    *("CATALOG_FIGURES", "CATALOG_PRODUCTS", "CATALOG_STAND_INS"),  # tests and benchmarks
    "CATALOG_PROGRESS_FILE",  # a stage
}
"""Variables that are no settings, by who reads them."""


SOURCES = {"rakuten": "/data/rakuten", "spring-texts.2": "s3://bucket/texts.csv?versionId=1"}


@pytest.mark.parametrize(
    "text",
    [
        "rakuten=/data/rakuten,spring-texts.2=s3://bucket/texts.csv?versionId=1",
        " rakuten = /data/rakuten ,\n spring-texts.2=s3://bucket/texts.csv?versionId=1,",
        '{"rakuten": "/data/rakuten", "spring-texts.2": "s3://bucket/texts.csv?versionId=1"}',
    ],
)
def test_sources_of_trainings_are_names_with_places(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_TRAINING_SOURCES", text)
    assert Settings().training_sources == SOURCES


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/data/rakuten", "has a name and a place for each source"),
        ("rakuten=data/rakuten", "place of source rakuten must be a folder's or file's absolute path, or one URL"),
        ("rakuten=simplecache::s3://bucket/folder", "chained with '::' are not accepted"),
        ("rakuten=", "place of source rakuten must be"),
        ("a/b=/data", "'a/b' is no name of a source"),
        ("a=/data,a=/other", "a name occurs twice"),
        ('{"a": ["/data"]}', "place of source a must be"),
        ('{"a": ', "has a name and a place for each source"),
        ('["a"]', "has a name and a place for each source"),
    ],
)
def test_wrong_sources_stop_the_start_with_a_sentence(text: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_TRAINING_SOURCES", text)
    with pytest.raises(ValidationError, match=why):
        Settings()


def test_a_process_with_wrong_sources_does_not_start_and_says_why() -> None:
    command = [str(Path(sys.executable).with_name("catalog-run")), "trainer"]
    environment = {**os.environ, "CATALOG_TRAINING_SOURCES": "rakuten=zip::/made/up.zip"}
    ran = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr.startswith(
        "catalog-run: CATALOG_TRAINING_SOURCES: the place of source rakuten must be a folder's"
    )
    assert "made/up" not in ran.stderr


def test_each_setting_is_documented_once() -> None:
    documented = re.findall(r"^\| `CATALOG_(\w+)` \|", RUNNING, re.MULTILINE)
    settings = [name.upper() for name in Settings.model_fields]
    assert sorted(documented) == sorted(settings)


def test_the_documentation_names_no_setting_that_does_not_exist() -> None:
    known = {f"CATALOG_{name.upper()}" for name in Settings.model_fields} | ELSEWHERE
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        named = set(re.findall(r"\bCATALOG_[A-Z][A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")))
        assert named <= known, page.name
