"""The account with which the service comes to MLflow's server; this module imports no MLflow."""

from shared.network.proxies import direct
from shared.settings import Settings


def client_variables(settings: Settings) -> dict[str, str]:
    """Return what MLflow's client reads from the environment: the account in the settings, and where no proxy is used.

    Without a password in the settings, the client's own variables for an account count, if there are any.
    """
    way = direct(settings.mlflow_tracking_uri)
    if settings.mlflow_password is None:
        return way
    return {
        **way,
        "MLFLOW_TRACKING_USERNAME": settings.mlflow_username,
        "MLFLOW_TRACKING_PASSWORD": settings.mlflow_password.get_secret_value(),
    }


def refusal(settings: Settings) -> str:
    """Tell a person that MLflow's server refuses the account, and which settings to change."""
    if settings.mlflow_password is None:
        return (
            "MLflow asks for an account, and CATALOG_MLFLOW_PASSWORD is not set: give the password of its account "
            f"{settings.mlflow_username!r} (docs/deployment.md)"
        )
    return (
        f"MLflow refuses the account {settings.mlflow_username!r}: CATALOG_MLFLOW_USERNAME and CATALOG_MLFLOW_PASSWORD "
        "must be those of an account that may change experiments and models (docs/deployment.md)"
    )
