"""The OpenAPI document as it is pinned: `python -m tests.integration.contract.document` writes it again."""

from pathlib import Path

import yaml

from api.app import create_app
from shared.settings import Settings

PINNED = Path(__file__).with_name("openapi.yaml")


def current() -> str:
    document = create_app(Settings()).openapi()
    del document["info"]["version"]  # the package's, which changes with each release
    return yaml.safe_dump(document, allow_unicode=True, width=120)


if __name__ == "__main__":
    PINNED.write_text(current(), encoding="utf-8")
