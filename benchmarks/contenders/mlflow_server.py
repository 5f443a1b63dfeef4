"""MLflow's own server: a model from code, with type hints, behind `mlflow models serve`.

    python -m benchmarks.contenders.mlflow_server FOLDER     # save it there
    mlflow models serve --model-uri FOLDER --env-manager local

It has no batching: each request is one call of `predict`, in a thread of its own.
"""

import argparse
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, save_model  # type: ignore[attr-defined]
from pydantic import BaseModel

from benchmarks.contenders.export import FOLDER
from benchmarks.contenders.model import Classifier, prepare


class Product(BaseModel):
    title: str
    description: str
    image: str
    """A JPEG in base64."""


class Catalog(PythonModel):
    def load_context(self, context: Any) -> None:
        self._classify = Classifier(Path(context.artifacts["networks"]))

    def predict(self, model_input: list[Product]) -> list[dict[str, Any]]:  # type: ignore[override]
        answers = self._classify([prepare(product.model_dump()) for product in model_input])
        return [asdict(answer) for answer in answers]


set_model(Catalog())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    artifacts = {"networks": os.environ[FOLDER]}
    save_model(folder, python_model=__file__, artifacts=artifacts, pip_requirements=[])


if __name__ == "__main__":
    main()
