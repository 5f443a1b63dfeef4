"""The API over a real Redis, with a bundle of shoes in service that the test has published."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from shared.settings import Settings
from shared.stores.taxonomy_in_force import PublishedBundle, PublishedTaxonomies
from shared.taxonomy import Taxonomy, read
from tests.http import local_client

COLUMNS = ("code", "name", "name:en", "parent", "moved_to", "retired")


def taxonomy_of(*rows: str) -> Taxonomy:
    """Categories with cells in the order of `COLUMNS`, separated by commas; those at the end may be left out."""
    return read(COLUMNS, enumerate((dict(zip(COLUMNS, [*row.split(","), *[""] * 6], strict=False)) for row in rows), 2))


SHOES = taxonomy_of("SHOES,Chaussures,Shoes", "BOOT,Bottes,Boots,SHOES", "CLOG,Sabots,Clogs,SHOES", "HAT,Chapeaux,Hats")
BUNDLE = PublishedBundle("0123456789ab", SHOES, ("BOOT", "CLOG", "HAT"))


@pytest.fixture
def settings(redis_port: int, tmp_path: Path) -> Settings:
    url = f"redis://127.0.0.1:{redis_port}"
    return Settings(
        redis_url=f"{url}/0",
        broker_url=f"{url}/1",
        blob_url=(tmp_path / "blobs").as_uri(),
        labels_url=(tmp_path / "labels").as_uri(),
        confirm_on_disk=False,
    )


@pytest.fixture
def shop(settings: Settings, redis: Redis) -> Iterator[httpx.Client]:
    """A caller of the API beside a worker that serves shoes."""
    PublishedTaxonomies(redis, 90).publish(BUNDLE, taken_over=True)
    with local_client(settings) as client:
        yield client
