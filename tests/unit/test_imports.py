import os
import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "keras", "openvino", "mlflow", "pandas", "numpy")


@pytest.mark.parametrize(("module", "more"), [("api.app", ()), ("catalog_client.command.app", ("PIL",))])
def test_the_front_and_the_client_load_no_model_runtime(module: str, more: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*[name for name in {HEAVY + more} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_the_worker_loads_no_tensorflow_before_it_is_asked_to() -> None:
    code = "import sys, worker.tasks; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]


def test_a_gpu_s_runtime_needs_no_openvino() -> None:
    code = "import sys, shared.model.runtimes.jax, shared.model.backbone; print('openvino' in sys.modules)"
    on_jax = {**os.environ, "KERAS_BACKEND": "jax"}
    found = subprocess.run([sys.executable, "-c", code], env=on_jax, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False"]
