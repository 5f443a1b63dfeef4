"""The categories over HTTP."""

import httpx


def test_taxonomy_lists_the_categories_in_their_tree(api: httpx.Client) -> None:
    categories = {each["code"]: each for each in api.get("/v1/taxonomy").raise_for_status().json()["categories"]}

    leaves = {code for code, category in categories.items() if category["leaf"]}
    assert len(leaves) == 27
    assert {category["parent"] for category in categories.values()} == {None, *(categories.keys() - leaves)}
    assert categories["2583"]["names"]["en"] == "Swimming pools and accessories"
    assert "spas" in categories["2583"]["guideline"]


def test_taxonomy_is_not_sent_again_to_a_client_that_has_it(api: httpx.Client) -> None:
    tag = api.get("/v1/taxonomy").headers["etag"]

    for known in (tag, f'"other", W/{tag}', "*"):
        answer = api.get("/v1/taxonomy", headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert api.get("/v1/taxonomy", headers={"If-None-Match": '"other"'}).status_code == 200
