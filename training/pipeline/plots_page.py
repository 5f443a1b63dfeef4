"""`python -m training.pipeline.plots_page` makes the pages of `dvc plots show` work without a network.

DVC's own page loads Vega from a content delivery network. This command writes a template that holds Vega's scripts, and
sets it in `.dvc/config.local`. `setup_project.sh` runs it; where it has not run, DVC's own page is used.
"""

import logging
from pathlib import Path

import vl_convert

from shared.pipeline.workspace import configure

log = logging.getLogger(__name__)

TEMPLATE = Path(".dvc/tmp/plots.html")

# As SVG a chart stays sharp in print, and its marks are elements of the page.
_EMBED = 'window.vegaEmbed = (place, chart) => vegaEmbed(place, chart, { renderer: "svg" });'

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>Plots of the training</title>
<style>
body { font-family: system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
body > div, body > table { margin-bottom: 2.5rem; }
img { height: auto; max-width: 100%; }
</style>
<script>
(() => { @scripts@ })();
</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def page() -> str:
    """Return the template; DVC replaces the words in braces."""
    scripts = vl_convert.javascript_bundle(_EMBED).replace("</script", r"<\/script")  # must not end their own element
    return _PAGE.replace("@scripts@", scripts)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    TEMPLATE.parent.mkdir(parents=True, exist_ok=True)
    TEMPLATE.write_text(page(), encoding="utf-8")
    configure(Path(), "plots", html_template=str(TEMPLATE.resolve()))
    log.info("dvc plots show needs no network: %s", TEMPLATE)


if __name__ == "__main__":
    main()
