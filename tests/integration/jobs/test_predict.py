"""The original project's synchronous contract."""

import httpx
import pytest

from shared.taxonomy import RAKUTEN
from tests.conftest import Trained
from tests.pictures import in_base64, jpeg


def test_predict_json_with_description_and_picture(api: httpx.Client) -> None:
    body = {"description": "Console de jeux rétro", "image": in_base64(jpeg())}
    answer = api.post("/predict", json=body).raise_for_status().json()
    assert answer["predicted_category"] == RAKUTEN.name_of(str(answer["category_id"]))
    assert isinstance(answer["category_id"], int), "the original project answered a number"
    assert 0 < answer["confidence"] <= 1
    assert set(answer["model_weights"]) == {"text", "image"}
    assert all(0 < share < 1 for share in answer["model_weights"].values())


@pytest.mark.parametrize("description", ["Piscine gonflable ronde", "zzz"])
def test_predict_has_needs_review(api: httpx.Client, trained: Trained, description: str) -> None:
    answer = api.post("/predict", json={"description": description}).raise_for_status().json()
    assert answer["needs_review"] == trained.bundle.manifest.review.needs_review(answer["confidence"])
    assert answer["result"]["needs_review"] == answer["needs_review"]


def test_predict_multipart_gives_the_same_answer(api: httpx.Client) -> None:
    json_answer = api.post("/predict", json={"description": "Robe", "image": in_base64(jpeg())}).json()
    files = {"image": ("robe.jpg", jpeg(), "image/jpeg")}
    answer = api.post("/predict", data={"description": "Robe"}, files=files).raise_for_status().json()
    fields = ("predicted_category", "category_id", "confidence", "model_weights")
    assert [answer[field] for field in fields] == [json_answer[field] for field in fields]


def test_predict_needs_only_description_or_picture(api: httpx.Client) -> None:
    text = api.post("/predict", json={"description": "Console"}).json()
    assert text["model_weights"] == {"text": 1.0, "image": 0.0}
    image = api.post("/predict", files={"image": ("x.jpg", jpeg(), "image/jpeg")}).json()
    assert image["model_weights"] == {"text": 0.0, "image": 1.0}


def test_predict_unreadable_item_is_a_problem(api: httpx.Client) -> None:
    unreadable = api.post("/predict", json={"image": in_base64(b"?")})
    assert (unreadable.status_code, unreadable.json()["type"].split(":")[-1]) == (422, "image-unreadable")
    assert api.post("/predict", json={}).status_code == 422
    unknown = api.post("/predict", json={"text": "x"})
    assert unknown.json()["errors"] == [{"pointer": "/text", "detail": "Extra inputs are not permitted"}]
    assert api.post("/predict", content=b"[1]", headers={"Content-Type": "application/json"}).status_code == 400
