"""The environment of git, DVC and the stages: what they need by name, and nothing else of this process's.

A trainer's environment may hold secrets that no stage needs: Redis' password, the master secret of webhooks, keys of
whatever else runs beside it. What is not listed here is not passed on.
"""

import os
import sys
from collections.abc import Collection
from pathlib import Path

_NAMES = {
    # the user, and where programs find their files
    *("HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP"),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", "LD_PRELOAD"),
    # connections
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSH_AUTH_SOCK"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    # DVC: in an experiment, and where it writes
    *("DVC_EXP_NAME", "DVC_NO_ANALYTICS", "DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"),
    # MLflow's server, as clients see it
    *("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"),
    *("MLFLOW_TRACKING_INSECURE_TLS", "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH"),
    *("MLFLOW_S3_ENDPOINT_URL", "MLFLOW_S3_IGNORE_TLS", "MLFLOW_DISABLE_TELEMETRY"),
    # stores other than S3's kind
    *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"),
    # the stages' own settings
    *("CATALOG_MLFLOW_TRACKING_URI", "CATALOG_REGISTERED_MODEL", "CATALOG_TRIAL", "CATALOG_ALLOWED_NETWORKS"),
}
_BEGINNINGS = (
    *("LC_", "XDG_", "PYTHON", "MALLOC_"),
    *("AWS_", "AZURE_"),  # credentials and addresses of sources, of DVC's remote and of MLflow's artefacts
    "MLFLOW_HTTP_REQUEST_",
    # processors
    *("OMP_", "KMP_", "MKL_", "OPENBLAS_", "ONEDNN_", "DNNL_", "OPENVINO_", "OV_"),
    *("CUDA_", "NVIDIA_", "TF_", "XLA_", "JAX_", "KERAS_"),
)


def tool_env(more: Collection[str] = ()) -> dict[str, str]:
    """Return the environment of stages and tools: `python`, which dvc.yaml calls, is this process's interpreter.

    Args:
        more: Names of further variables to pass on (`CATALOG_TRAINING_ENVIRONMENT`).
    """
    passed = {name: value for name, value in os.environ.items() if _needed(name) or name in more}
    return {**passed, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _needed(name: str) -> bool:
    return name in _NAMES or name.startswith(_BEGINNINGS)
