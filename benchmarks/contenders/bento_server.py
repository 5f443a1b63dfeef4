"""BentoML: a batchable API, whose dispatcher adapts batches to the traffic.

    bentoml serve benchmarks.contenders.bento_server:Catalog

As its page "Adaptive batching" says: one parameter, a list of composite inputs; a request holds a list of one.
"""

import bentoml  # type: ignore[import-not-found]  # the contenders' environment has it
from pydantic import BaseModel

from benchmarks.contenders.model import BATCH, Classifier, prepare


class Product(BaseModel):
    title: str
    description: str
    image: str
    """A JPEG in base64."""


class Category(BaseModel):
    code: str
    confidence: float


@bentoml.service(workers=1, traffic={"timeout": 120})
class Catalog:
    def __init__(self) -> None:
        self._classify = Classifier()

    @bentoml.api(batchable=True, max_batch_size=BATCH, max_latency_ms=60_000)  # type: ignore[untyped-decorator]
    def predict(self, products: list[Product]) -> list[Category]:
        answers = self._classify([prepare(product.model_dump()) for product in products])
        return [Category(code=answer.code, confidence=answer.confidence) for answer in answers]
