"""The environment of stages and tools."""

import pytest

from shared.pipeline.environment import tool_env

NEEDED = ("PATH", "HOME", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "CATALOG_MLFLOW_TRACKING_URI")
SECRET = (
    "CATALOG_REDIS_URL", "CATALOG_BROKER_URL", "CATALOG_WEBHOOK_SECRETS", "CATALOG_API_KEY", "CATALOG_BLOB_URL",
    "CATALOG_LABELS_URL", "GRAFANA_PASSWORD", "POSTGRES_PASSWORD", "MLFLOW_BACKEND_STORE_URI", "SHOP_TOKEN",
    "OTEL_EXPORTER_OTLP_HEADERS", "GIT_CONFIG_VALUE_0", "MLFLOW_FLASK_SERVER_SECRET_KEY", "DVC_STUDIO_TOKEN",
)  # fmt: skip


def test_only_what_stages_need_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NEEDED + SECRET:
        monkeypatch.setenv(name, "made up")
    passed = tool_env(["SHOP_TOKEN"])
    assert passed.keys() >= {*NEEDED, "SHOP_TOKEN"}
    assert passed.keys() & set(SECRET) == {"SHOP_TOKEN"}
