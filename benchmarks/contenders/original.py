"""The original design: a synchronous handler that calls Keras' `predict` for each request.

uvicorn benchmarks.contenders.original:app
"""

from dataclasses import asdict
from typing import Any

import numpy as np
from fastapi import FastAPI

from benchmarks.contenders.model import Networks, prepare

app = FastAPI()
_networks = Networks()


@app.get("/health")
def health() -> str:
    return "ok"


@app.post("/predict")
def predict(request: dict[str, str]) -> dict[str, Any]:
    item = prepare(request)
    text = _networks.text.predict(_networks.encoder.encode([item.words]), verbose=0)
    image = _networks.image.predict(item.pixels[np.newaxis], verbose=0)
    return asdict(_networks.answers([item], text, image)[0])
