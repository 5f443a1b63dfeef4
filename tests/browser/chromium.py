"""A page as a headless Chromium shows it where there is no network."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_TIMEOUT_S = 180
# The page's own scripts cannot be asked from outside: a script in a copy of it writes down what the browser knows.
_PROBE = """<script>addEventListener("load", () => {
  document.querySelectorAll("img").forEach((image) => image.setAttribute("data-loaded", image.naturalWidth > 0));
  const wanted = performance.getEntriesByType("resource").map((entry) => entry.name);
  document.body.setAttribute("data-resources", wanted.filter((name) => !/^(data|file):/.test(name)).join(" "));
  document.body.setAttribute("data-overflow", document.documentElement.scrollWidth > innerWidth);
});</script>"""


@dataclass(frozen=True)
class Shown:
    """The page's elements after its scripts have run."""

    html: str

    @cached_property
    def charts(self) -> list[str]:
        """The HTML of each Vega chart."""
        return self.html.split('<div class="chart-wrapper')[1:]

    @property
    def images(self) -> int:
        return self.html.count('data-loaded="')

    @property
    def loaded_images(self) -> int:
        return self.html.count('data-loaded="true"')

    @property
    def external_resources(self) -> str:
        """What the page tried to load from a network."""
        found = re.search(r'data-resources="([^"]*)"', self.html)
        assert found, "the page's scripts did not run to their end"
        return found[1]

    @property
    def overflows(self) -> bool:
        """Whether the page must be scrolled sideways."""
        return 'data-overflow="true"' in self.html


def show(page: Path, *, width: int = 1280) -> Shown:
    """Open the page without a network; files beside it are read."""
    copy = page.with_name(f"probed-{page.name}")
    body, end, rest = page.read_text(encoding="utf-8").rpartition("</body>")
    copy.write_text(f"{body}{_PROBE}{end}{rest}", encoding="utf-8")
    try:
        html = _run(
            "--virtual-time-budget=30000",  # timers run at once, and the page is dumped when nothing is left to do
            f"--window-size={width},2000",
            "--dump-dom",
            copy.resolve().as_uri(),
        )
    finally:
        copy.unlink()
    return Shown(html)


def program() -> str:
    """Return the path of the browser; fails the test if there is none."""
    found = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if found is None:
        pytest.fail("no Chromium is on the PATH (Debian: apt-get install chromium)", pytrace=False)
    return found


def _run(*arguments: str) -> str:
    command = [program(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    offline = "--host-resolver-rules=MAP * ~NOTFOUND"
    ran = subprocess.run(
        [*command, offline, *arguments], capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
