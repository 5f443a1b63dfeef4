"""`python mlflow_accounts.py FOLDER DATABASE CONFIG`: the accounts of MLflow's server, before it starts.

FOLDER has a file with each account's password: `admin-password` for the people who administer it, `service-password`
for the service's processes. They are set at each start, so a changed file changes the password. Accounts that an
administrator adds can look at everything and change nothing. DATABASE holds the accounts beside MLflow's records;
CONFIG is written for the server's `MLFLOW_AUTH_CONFIG_PATH`.
"""

import os
import sys
from configparser import ConfigParser
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.server.auth.permissions import MANAGE, READ, RESOURCE_TYPE_EXPERIMENT, RESOURCE_TYPE_REGISTERED_MODEL
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

ADMIN, SERVICE = "admin", "catalog"
_CACHED_S = 60
"""For how long a password that was right is not hashed again: a training sends hundreds of requests."""


def main(folder: Path, database: str, config: Path) -> None:
    store = SqlAlchemyStore()
    store.init_db(database)
    for name, file, admin in ((ADMIN, "admin-password", True), (SERVICE, "service-password", False)):
        _set_password(store, name, folder / file, admin)
    # What it manages may be older than the accounts. It may change no account.
    for kind in (RESOURCE_TYPE_EXPERIMENT, RESOURCE_TYPE_REGISTERED_MODEL):
        store.grant_user_permission(SERVICE, kind, "*", MANAGE.name)
    _write(config, database)


def _set_password(store: SqlAlchemyStore, name: str, file: Path, admin: bool) -> None:
    try:
        password = file.read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        sys.exit(f"MLFLOW_ACCOUNTS: the password of the account {name!r} cannot be read: {error}")
    try:
        if not store.has_user(name):
            store.create_user(name, password, is_admin=admin)
        elif not store.authenticate_user(name, password):
            store.update_user(name, password=password)
    except MlflowException as error:
        sys.exit(f"MLFLOW_ACCOUNTS: MLflow refuses the password in {file}: {error.message}")


def _write(config: Path, database: str) -> None:
    """Write the server's configuration, which its owner alone can read: the database's URL may have a password."""
    parser = ConfigParser(interpolation=None)
    parser["mlflow"] = {
        "default_permission": READ.name,
        "database_uri": database.replace("%", "%%"),  # MLflow reads it with interpolation
        "admin_username": ADMIN,
        "auth_cache_ttl_seconds": str(_CACHED_S),
    }
    config.unlink(missing_ok=True)
    with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        parser.write(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
