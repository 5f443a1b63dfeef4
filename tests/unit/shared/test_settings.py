import re

from shared.settings import ROOT, Settings

RUNNING = (ROOT / "docs/running.md").read_text(encoding="utf-8")
ELSEWHERE = {
    *("CATALOG_API_KEY", "CATALOG_URL"),  # the client
    *("CATALOG_IMAGES", "CATALOG_GPU_IMAGE", "CATALOG_TAG"),  # Compose
    *("CATALOG_FIGURES", "CATALOG_PRODUCTS", "CATALOG_STAND_INS"),  # tests and benchmarks
    "CATALOG_PROGRESS_FILE",  # a stage
}
"""Variables that are no settings, by who reads them."""


def test_each_setting_is_documented_once() -> None:
    documented = re.findall(r"^\| `CATALOG_(\w+)` \|", RUNNING, re.MULTILINE)
    settings = [name.upper() for name in Settings.model_fields]
    assert sorted(documented) == sorted(settings)


def test_the_documentation_names_no_setting_that_does_not_exist() -> None:
    known = {f"CATALOG_{name.upper()}" for name in Settings.model_fields} | ELSEWHERE
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        named = set(re.findall(r"\bCATALOG_[A-Z][A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")))
        assert named <= known, page.name
