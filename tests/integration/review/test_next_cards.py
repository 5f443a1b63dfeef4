"""Taking the next items over HTTP: which come, who has them, and how they come back. No worker runs."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import httpx
import pytest
from redis import Redis

from shared.ledger import Ledger
from shared.settings import Settings
from shared.tenants.api_keys import KeyStore, Scope
from tests.http import client_of, local_client
from tests.integration.decisions.conftest import decided, told, undo
from tests.integration.review.conftest import Answered, Waiting, places, released, taken
from tests.jobs import outcomes_of
from tests.pictures import clouds, in_base64, jpeg
from tests.redis_state import (
    expire_reservations,
    expire_results,
    forget_facets,
    job_keys,
    lose_decision_index,
    lose_decisions_of_job,
    lose_part,
    memory_counted,
    memory_stored,
)

SHIRTS = ("Chemise lin noire M", "Chemise lin blanche XL", "Chemise lin bleue 42")

# Which items come


def test_what_is_unsure_and_waits_with_many_copies_comes_first(
    api: httpx.Client, waiting: Waiting, ledger: Ledger
) -> None:
    sure, lamp = Answered("Tapis laine", 0.95), Answered("Lampe bureau", 0.4)
    seen = Answered("Vase", 0.1, needs_review=False)
    job = waiting(api, sure, *(Answered(title, 0.7) for title in SHIRTS), lamp, seen)
    first, second, third = taken(api)
    assert places([first, second, third]) == [[1, 2, 3], [4], [0]]
    listed = api.get(f"/v1/jobs/{job}/items").json()["items"]
    assert first["item"] == listed[1]
    assert (first["job_id"], first["copies"]["count"]) == (job, 2)
    assert first["copies"]["items"][0] == {"job_id": job, "index": 2, "id": "sku-2", "title": SHIRTS[1]}
    until = datetime.fromisoformat(first["reserved_until"]).timestamp()
    assert ledger.now() + 590 < until <= ledger.now() + 600


def test_copies_come_from_all_jobs_and_the_oldest_job_comes_first(api: httpx.Client, waiting: Waiting) -> None:
    one, other = waiting(api, *SHIRTS[:2]), waiting(api, "Tapis laine", SHIRTS[2])
    shirt, rug = taken(api)
    copies = [(copy["job_id"], copy["index"]) for copy in shirt["copies"]["items"]]
    assert ((shirt["job_id"], shirt["index"]), copies) == ((one, 0), [(one, 1), (other, 1)])
    assert (rug["job_id"], rug["index"]) == (other, 0)


def test_cards_are_of_one_job_or_one_branch_and_copies_of_any(api: httpx.Client, waiting: Waiting) -> None:
    one = waiting(api, SHIRTS[0], "Tapis laine")
    other = waiting(api, Answered(SHIRTS[1], code="2583"), Answered("Piscine bois", code="2583"))
    tree = {entry["code"]: entry["parent"] for entry in api.get("/v1/taxonomy").json()["categories"]}
    cards = taken(api, category=tree["2583"] or "2583")
    assert [card["job_id"] for card in cards] == [other, other]
    assert [copy["job_id"] for card in cards for copy in card["copies"]["items"]] == [one]
    assert [(card["job_id"], card["index"]) for card in taken(api, job_id=one)] == [(one, 1)]
    assert taken(api, category="no such category") == []


def test_items_with_one_picture_and_one_answer_are_copies_but_not_of_a_placeholder(
    api: httpx.Client, waiting: Waiting
) -> None:
    picture, mark = ({"base64": in_base64(jpeg(colour, (8, 8)))} for colour in ("red", "blue"))
    same = [Answered("Lampe bureau", 0.2, image=picture), Answered("Luminaire table", image=picture)]
    other = [Answered("Abat jour", code="40", image=picture), Answered(None, 0.6, image=picture)]
    words = ("abc", "def", "ghi", "jkl", "mno", "pqr", "stu", "vwx", "yza")
    marked = [Answered(f"{word} rare", 0.9, image=mark) for word in words]
    waiting(api, *same, *other, *marked)
    first, *rest = places(taken(api, limit=50))
    assert first == [0, 1, 3], "with another answer it is another thing"
    assert sorted(rest) == [[2], *([index] for index in range(4, 13))]


def test_items_whose_pictures_look_alike_and_that_were_answered_alike_are_copies(
    api: httpx.Client, waiting: Waiting
) -> None:
    def shown(title: str, look: int, code: str = "10") -> Answered:
        return Answered(title, code=code, image={"base64": in_base64(clouds(look % 97, 40))}, look=look)

    look, mark = 0x0F1E_2D3C_4B5A_6978, 0x7777_0000_7777_0000
    first = waiting(api, shown("Piscine", look), shown("Bassin", look ^ 0b111), shown("Pompe", look, code="2583"))
    other = waiting(api, shown("Baignade", look ^ 0b11 << 60), shown("Plage", look ^ 0x3FFF))
    marks = waiting(api, *(shown(f"Chose {'abcdefghi'[bit]}", mark ^ 1 << bit) for bit in range(9)))
    cards = {(card["job_id"], card["index"]): card["copies"]["items"] for card in taken(api, limit=50)}
    copies = {at: [(copy["job_id"], copy["index"]) for copy in found] for at, found in cards.items()}
    assert copies.pop((first, 0)) == [(first, 1), (other, 0)]
    assert copies == {at: [] for at in [(first, 2), (other, 1), *((marks, index) for index in range(9))]}


def test_a_job_of_the_release_before_has_cards_without_copies(
    api: httpx.Client, waiting: Waiting, redis: Redis
) -> None:
    job = waiting(api, *SHIRTS)
    lose_part(redis, job, "likeness")
    forget_facets(redis, job)
    assert places(taken(api)) == [[0], [1], [2]]


def test_items_that_are_not_kept_are_handed_out_by_their_ids(api: httpx.Client, waiting: Waiting, redis: Redis) -> None:
    job = waiting(api, *SHIRTS)
    lose_part(redis, job, "kept")
    (card,) = taken(api)
    assert (card["item"]["kept"], card["item"]["title"], card["item"]["result"]["id"]) == (False, None, "sku-0")
    assert [(copy["id"], copy["title"]) for copy in card["copies"]["items"]] == [("sku-1", None), ("sku-2", None)]


def test_results_that_are_gone_are_not_handed_out(api: httpx.Client, waiting: Waiting, redis: Redis) -> None:
    job, other = waiting(api, "Lampe bureau"), waiting(api, "Tapis laine")
    expire_results(redis, job)
    assert [card["job_id"] for card in taken(api)] == [other]
    refused = api.post("/v1/review/next", json={"job_id": job})
    assert (refused.status_code, refused.json()["type"].split(":")[-1]) == (410, "results-expired")
    assert api.post("/v1/review/next", json={"job_id": "0" * 24}).status_code == 404


def test_each_tenant_has_its_own_queue(api: httpx.Client, waiting: Waiting, redis: Redis) -> None:
    app, keys = api.app, KeyStore(redis)  # type: ignore[attr-defined]
    both = [Scope.CLASSIFY, Scope.REVIEW]
    one, other = (client_of(app, key=keys.create(tenant, both)[1]) for tenant in ("one", "other"))
    job, own = waiting(one, *SHIRTS), waiting(other, SHIRTS[0])
    assert other.post("/v1/review/next", json={"job_id": job}).status_code == 404
    assert [(card["job_id"], card["copies"]["count"]) for card in taken(other)] == [(own, 0)]
    assert released(other, items=[{"job_id": job, "index": 0}]) == 0
    out = decided(other, {"job_id": own, "index": 0, "category": "40", "copies": True, "by": "anna"})
    assert out["copies"] == 0
    assert len(taken(one)) == 1


@pytest.mark.parametrize(
    "body", [{"limit": 0}, {"limit": 51}, {"minutes": 61}, {"minutes": 0}, {"by": ""}, {"category": ""}, {"all": 1}]
)
def test_a_wrong_request_is_refused(api: httpx.Client, body: dict[str, object]) -> None:
    assert api.post("/v1/review/next", json=body).status_code == 422


# Who has them


def test_nobody_gets_an_item_of_a_card_that_somebody_has(api: httpx.Client, waiting: Waiting, redis: Redis) -> None:
    waiting(api, *SHIRTS, "Tapis laine")
    assert places(taken(api, limit=1)) == [[0, 1, 2]]
    more = waiting(api, "Chemise lin verte")
    assert places(taken(api, by="ben", job_id=more)) == [], "it is a copy of what Anna has"
    assert places(taken(api, limit=1)) == [[3]], "she gets others than those that she has"
    assert taken(api, by="ben") == []
    expire_reservations(redis)
    assert places(taken(api, by="ben")) == [[0, 1, 2, 0], [3]]


def test_what_is_given_back_is_handed_out_again(api: httpx.Client, waiting: Waiting) -> None:
    job = waiting(api, *SHIRTS, "Tapis laine")
    taken(api)
    items = [{"job_id": job, "index": 0}]
    assert (released(api, by="ben"), released(api, by="ben", items=items)) == (0, 0), "they are Anna's"
    assert released(api, items=items) == 1
    assert places(taken(api, by="ben")) == [[0, 1, 2]]
    assert (released(api, by="ben"), released(api), released(api)) == (1, 1, 0)
    assert len(taken(api)) == 2


def test_what_is_decided_is_handed_out_no_more_and_what_was_skipped_comes_last(
    api: httpx.Client, waiting: Waiting
) -> None:
    job = waiting(api, *SHIRTS, "Tapis laine", "Lampe bureau")
    taken(api)
    decided(
        api,
        {"job_id": job, "index": 0, "category": "40", "by": "anna"},
        {"job_id": job, "index": 3, "skip": True, "by": "anna"},
    )
    assert places(taken(api, by="ben")) == [[1, 2], [3]], "the rest of her card, and what she skipped"
    assert released(api, by="ben") == 2
    assert places(taken(api)) == [[1, 2], [3]], "last, because she has seen it"
    undo(api, 2, by="anna")
    released(api)
    assert places(taken(api, by="ben")) == [[0, 1, 2], [3], [4]]


def test_requests_at_the_same_time_get_different_items(api: httpx.Client, waiting: Waiting) -> None:
    words = [first + second for first in "abcdef" for second in "ghijkl"]
    waiting(api, *(f"Lampe {word}{word} bureau" for word in words[:20]))
    assert told(api) == []  # makes the index
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: places(taken(api, by=f"person {number}", limit=5)), range(8)))
    handed_out = [card for cards in found for card in cards]
    assert sorted(handed_out) == [[index] for index in range(20)]


def test_a_key_has_one_effect_and_one_answer(api: httpx.Client, waiting: Waiting) -> None:
    waiting(api, *SHIRTS, "Tapis laine")
    headers = {"Idempotency-Key": "k"}
    first, again = (api.post("/v1/review/next", json={"limit": 1}, headers=headers) for _ in range(2))
    assert (first.json(), again.headers["Idempotency-Replayed"]) == (again.json(), "true")
    assert api.post("/v1/review/next", json={"limit": 2}, headers=headers).status_code == 422
    assert len(taken(api)) == 1


def test_nothing_is_handed_out_before_it_is_known_what_is_decided(
    api: httpx.Client, waiting: Waiting, redis: Redis
) -> None:
    job = waiting(api, "Lampe bureau", "Tapis laine")
    decided(api, {"job_id": job, "index": 0, "category": "40"})
    lose_decision_index(redis)
    record = memory_counted(redis, "local")[job] - memory_stored(redis, job)
    lose_decisions_of_job(redis, job, record)
    assert places(taken(api)) == [[1]]


def test_a_running_jobs_finished_items_are_handed_out(api: httpx.Client, ledger: Ledger) -> None:
    items = [{"title": f"Lampe bureau {'x' * (3 + number)}"} for number in range(300)]
    job = str(api.post("/v1/jobs", json={"items": items}).json()["id"])
    for expected in (256, 44):
        lease = ledger.lease("bulk")
        assert lease is not None
        ledger.commit(lease, "one", outcomes_of(lease, unsure=256))
        found = 0
        while cards := taken(api, limit=50, job_id=job):
            found += len(cards)
        assert found == expected


def test_the_memory_of_likeness_is_counted_and_small(api: httpx.Client, waiting: Waiting, redis: Redis) -> None:
    job = waiting(api, *SHIRTS)
    (key,) = (key for key in job_keys(redis, job) if key.endswith(b":likeness"))
    (kept,) = redis.hvals(key)
    assert len(kept) == 20 * len(SHIRTS)
    assert 0 < memory_counted(redis, "local")[job] - memory_stored(redis, job) < 2000, "the record alone"
    assert abs(redis.ttl(key) - redis.ttl(key.replace(b"likeness", b"results"))) <= 1


def test_a_killed_process_leaves_reservations_that_end_by_themselves(
    api: httpx.Client, waiting: Waiting, redis: Redis, settings: Settings
) -> None:
    waiting(api, "Lampe bureau")
    with local_client(settings) as other:
        assert len(taken(other, minutes=1)) == 1
    assert taken(api, by="ben") == []
    lasts = [redis.ttl(key) for key in redis.scan_iter("catalog:review:*")]
    assert len(lasts) == 2
    assert all(0 < seconds <= 60 for seconds in lasts)
    expire_reservations(redis)
    assert len(taken(api, by="ben")) == 1
