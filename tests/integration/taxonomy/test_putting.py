"""Putting a taxonomy over HTTP: what is accepted, what is refused, and what is told of it."""

import time
from typing import Any

import httpx
import pytest
from redis import Redis

from shared.settings import Settings
from shared.stores.taxonomies import Taxonomies
from shared.stores.taxonomy_in_force import PublishedBundle, PublishedTaxonomies
from shared.taxonomy import Taxonomy, read
from shared.taxonomy.writing import rows
from shared.tenants.api_keys import KeyStore, Scope
from tests.http import client_of
from tests.integration.taxonomy.conftest import SHOES, taxonomy_of
from tests.redis_state import forget_taxonomies

MERGED = taxonomy_of(
    "SHOES,Chaussures,Shoes",
    "BOOT,Bottes et sabots,Boots,SHOES",
    "CLOG,Sabots,Clogs,SHOES,BOOT",
    "HAT,Chapeaux,Hats",
    "SOCK,Chaussettes,Socks",
)


def put(client: httpx.Client, taxonomy: Taxonomy, if_match: str | None = "*", **params: Any) -> httpx.Response:
    headers = {} if if_match is None else {"If-Match": if_match}
    return client.put("/v1/taxonomy", json={"categories": list(rows(taxonomy))}, headers=headers, params=params)


def put_table(client: httpx.Client, table: str, **headers: str) -> httpx.Response:
    return client.put(
        "/v1/taxonomy", content=table.encode(), headers={"Content-Type": "text/csv", "If-Match": "*", **headers}
    )


def states(client: httpx.Client) -> dict[str, str]:
    return {each["code"]: each["state"] for each in client.get("/v1/taxonomy").raise_for_status().json()["categories"]}


def test_a_taxonomy_is_changed_and_says_what_needs_a_training(shop: httpx.Client) -> None:
    before = shop.get("/v1/taxonomy")
    assert states(shop) == {"SHOES": "group", "BOOT": "served", "CLOG": "served", "HAT": "served"}

    answer = put(shop, MERGED, before.headers["etag"])

    assert answer.status_code == 200, answer.text
    out = answer.json()
    assert (out["number"], out["changed"], out["needs_training"], out["not_listed"]) == (1, True, True, 0)
    assert [(change["kind"], change["code"], change["needs_training"]) for change in out["changes"]] == [
        ("renamed", "BOOT", False),
        ("merged", "CLOG", False),
        ("new", "SOCK", True),
    ]
    assert out["changes"][1]["detail"] == "CLOG (Sabots) is merged into BOOT (Bottes et sabots)"
    assert states(shop) == {"SHOES": "group", "BOOT": "served", "CLOG": "merged", "HAT": "served", "SOCK": "untrained"}
    after = shop.get("/v1/taxonomy")
    assert answer.headers["etag"] == f'"{out["digest"]}"'
    assert after.headers["etag"] != before.headers["etag"]
    assert after.json()["digest"] == out["digest"]


def test_of_two_who_change_the_same_taxonomy_the_second_is_told(shop: httpx.Client) -> None:
    seen = shop.get("/v1/taxonomy").headers["etag"]
    first = put(shop, MERGED, seen).raise_for_status()

    second = put(shop, SHOES, seen)

    assert second.status_code == 412
    assert second.headers["etag"] == first.headers["etag"]
    assert first.json()["digest"] in second.json()["detail"]
    assert put(shop, SHOES, second.headers["etag"]).json()["number"] == 2


def test_what_is_in_force_already_can_be_put_again(shop: httpx.Client) -> None:
    seen = shop.get("/v1/taxonomy").headers["etag"]
    put(shop, MERGED, seen).raise_for_status()

    again = put(shop, MERGED, seen)

    assert (again.status_code, again.json()["changed"], again.json()["changes"]) == (200, False, [])
    assert len(shop.get("/v1/taxonomy/history").json()["history"]) == 1


def test_if_match_is_required_unless_nothing_is_changed(shop: httpx.Client) -> None:
    refused = put(shop, MERGED, None)
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (428, "if-match-required")

    compared = put(shop, MERGED, None, dry_run=True)

    assert compared.status_code == 200
    assert (compared.json()["changed"], compared.json()["number"], len(compared.json()["changes"])) == (False, 0, 3)
    assert "SOCK" not in states(shop)


def test_a_table_that_was_read_is_put_back(shop: httpx.Client) -> None:
    table = shop.get("/v1/taxonomy", params={"format": "csv"})
    assert table.headers["content-type"] == "text/csv; charset=utf-8"

    answer = put_table(shop, table.text.replace("Sabots", "Sabots en bois"), **{"If-Match": table.headers["etag"]})

    assert [change["code"] for change in answer.raise_for_status().json()["changes"]] == ["CLOG"]
    latest = shop.get("/v1/taxonomy").json()["categories"]
    assert [(each["code"], each["name"], each["names"]) for each in latest][2] == (
        *("CLOG", "Sabots en bois"),
        {"en": "Clogs"},
    )


def test_every_fault_of_a_table_is_named_by_its_line(shop: httpx.Client) -> None:
    answer = put_table(shop, "code,name,parent\nBOOT,Bottes,\n\nBOOT,,NOWHERE\n")

    assert answer.status_code == 422
    assert [(error["line"], error["detail"]) for error in answer.json()["errors"]] == [
        (4, "the name is empty"),
        (4, "the code 'BOOT' is already that of line 2"),
    ]
    assert "line 4: the name is empty" in answer.json()["detail"]


def test_every_fault_of_a_document_is_named_by_its_place(shop: httpx.Client) -> None:
    categories: list[dict[str, Any]] = [{"code": "A", "name": "One"}, {"code": "a", "name": "Two"}]
    answer = shop.put("/v1/taxonomy", json={"categories": categories}, headers={"If-Match": "*"})
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/categories/1"]

    categories[1]["name"] = 7
    answer = shop.put("/v1/taxonomy", json={"categories": categories}, headers={"If-Match": "*"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/categories/1/name")


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        (
            ("BOOT,Bottes", "CLOG,Sabots"),
            "the category 'HAT' (Chapeaux) is missing, which the model in service answers",
        ),
        (
            ("BOOT,Bottes,,,,yes", "CLOG,Sabots,,,,yes", "HAT,Chapeaux,,,,yes"),
            "every category that the model in service answers is retired",
        ),
    ],
)
def test_no_answer_may_lose_its_category(shop: httpx.Client, after: tuple[str, ...], problem: str) -> None:
    answer = put(shop, taxonomy_of(*after))

    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (422, "invalid-taxonomy")
    assert problem in answer.json()["errors"][0]["detail"]
    assert shop.get("/v1/taxonomy").json()["number"] == 0


def test_a_category_that_was_merged_stays_for_its_labels(shop: httpx.Client, redis: Redis) -> None:
    put(shop, MERGED).raise_for_status()
    PublishedTaxonomies(redis, 90).publish(PublishedBundle("b2", MERGED, ("BOOT", "HAT")), taken_over=True)

    answer = put(shop, taxonomy_of("BOOT,Bottes", "HAT,Chapeaux"))

    assert answer.status_code == 422
    assert [error["detail"].partition(",")[0] for error in answer.json()["errors"]] == [
        "the category 'CLOG' (Sabots) is missing"
    ]


@pytest.mark.parametrize(
    ("media_type", "body", "status"),
    [
        ("application/xml", b"<a/>", 415),
        ("text/csv", b"", 400),
        ("text/csv", b'code,name\nA,"One\n', 400),
        ("text/csv", b"code,name\nA,One,Two\n", 400),
        ("text/csv", b"name\nOne\n", 422),
        ("application/json", b"{", 422),
        ("application/json", b"[]", 422),
        ("application/json", b'{"categories": []}', 422),
        ("application/json", b"[" * 100_000, 422),
        ("application/json", b"[],".join([b""] * 2_000_001), 400),
        ("text/csv", b"code,name\n" + b"".join(b"%d,n\n" % n for n in range(50_001)), 422),
        ("text/csv", b" " * (32 * 1024**2 + 1), 413),
    ],
    ids=lambda value: value[:20].decode() if isinstance(value, bytes) else str(value),
)
def test_what_is_no_taxonomy_is_refused(shop: httpx.Client, media_type: str, body: bytes, status: int) -> None:
    headers = {"Content-Type": media_type, "If-Match": "*"}

    answer = shop.put("/v1/taxonomy", content=body, headers=headers)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text


def test_history_tells_who_changed_how_much(settings: Settings, shop: httpx.Client, redis: Redis) -> None:
    put(shop, MERGED).raise_for_status()
    keys = KeyStore(redis)
    key, secret = keys.create("shop", {Scope.TRAIN})
    _, classify = keys.create("shop", {Scope.CLASSIFY})
    _, observer = keys.create("operator", {Scope.TRAIN, Scope.OBSERVE})
    train = client_of(shop.app, key=secret)  # type: ignore[attr-defined]
    put(train, SHOES).raise_for_status()

    first = train.get("/v1/taxonomy/history", params={"limit": 1}).json()
    second = train.get("/v1/taxonomy/history", params={"cursor": first["next_cursor"]}).json()

    (latest,), (earlier,) = first["history"], second["history"]
    assert (latest["number"], latest["replaces"], latest["by"]) == (2, 1, f"shop/{key.id}")
    assert latest["changes"] == {"restored": 1, "renamed": 1, "removed": 1}
    assert (earlier["number"], earlier["by"], second["next_cursor"]) == (1, None, None)
    seen = client_of(shop.app, key=observer).get("/v1/taxonomy/history").json()  # type: ignore[attr-defined]
    assert [entry["by"] for entry in seen["history"]] == [f"shop/{key.id}", "local"]
    refused = put(client_of(shop.app, key=classify), MERGED)  # type: ignore[attr-defined]
    assert refused.status_code == 403


def test_another_process_sees_the_change(shop: httpx.Client, redis: Redis, settings: Settings) -> None:
    assert states(shop)["BOOT"] == "served"
    Taxonomies(redis, settings.labels_url).put(MERGED, replaces=0, tenant="t", key=None, changes={})
    assert states(shop)["CLOG"] == "merged"


def test_the_taxonomy_outlives_redis(shop: httpx.Client, redis: Redis) -> None:
    put(shop, MERGED).raise_for_status()
    forget_taxonomies(redis)
    assert shop.get("/v1/taxonomy").json()["number"] == 1
    assert states(shop)["SOCK"] == "untrained"


def test_five_thousand_leaves_are_answered_at_once(shop: httpx.Client) -> None:
    columns = ("code", "name", "name:en", "parent", "guideline")
    groups = [{"code": f"G{number}", "name": f"Group {number}"} for number in range(100)]
    leaves = [
        {
            "code": f"L{number}",
            "name": f"Catégorie {number}",
            "name:en": f"Category {number}",
            "parent": f"G{number % 100}",
        }
        for number in range(5000)
    ]
    kept = list(rows(SHOES))
    big = read(columns, enumerate([*kept, *groups, *leaves], 2))
    assert put(shop, big).raise_for_status().json()["counts"] == {"new": 5100}
    first = shop.get("/v1/taxonomy")
    assert len(first.json()["categories"]) == 5104

    def once() -> float:
        begun = time.perf_counter()
        assert shop.get("/v1/taxonomy").headers["etag"] == first.headers["etag"]
        return time.perf_counter() - begun

    assert min(once() for _ in range(10)) < 0.05


def test_health_warns_of_a_model_whose_categories_are_not_in_force(shop: httpx.Client, redis: Redis) -> None:
    """A model for another catalogue was promoted, and a taxonomy that was put before stays in force."""
    assert put(shop, MERGED).status_code == 200
    assert not [text for text in shop.get("/health").json()["warnings"] if "taxonomy" in text]
    other = taxonomy_of("BREAD,Pain", "TEA,Thé", "BOOT,Bottes")
    PublishedTaxonomies(redis, 90).publish(
        PublishedBundle("ba9876543210", other, ("BREAD", "TEA", "BOOT")), taken_over=True
    )
    health = shop.get("/health").json()
    assert health["status"] == "warn"
    (warning,) = [text for text in health["warnings"] if "taxonomy" in text]
    assert "answers 2 categories that the taxonomy in force lacks ('BREAD', 'TEA')" in warning
    both = taxonomy_of(
        "SHOES,Chaussures", "BOOT,Bottes,,SHOES", "CLOG,Sabots,,SHOES,BOOT", "HAT,Chapeaux", "BREAD,Pain", "TEA,Thé"
    )
    assert put(shop, both).status_code == 200
    assert not [text for text in shop.get("/health").json()["warnings"] if "taxonomy" in text]
