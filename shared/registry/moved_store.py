"""MLflow's SQLite store after its folder has moved: `python -m shared.registry.moved_store FOLDER`.

Where artefacts of an experiment lie beside the database (`shared.registry.mlflow.ensure_experiment`), MLflow records
their absolute place, with the experiment, each run and each version. A folder that was renamed or copied holds them
elsewhere, so the records follow it.
"""

import logging
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

log = logging.getLogger(__name__)

_WAIT_S = 30
_PLACES = (
    "update runs set artifact_uri = :new || substr(artifact_uri, :after) where substr(artifact_uri, 1, :length) = :old",
    "update model_versions set source = :new || substr(source, :after) where substr(source, 1, :length) = :old",
    "update model_versions set storage_location = :new || substr(storage_location, :after)"
    " where substr(storage_location, 1, :length) = :old",
)
"""Statements for each column with the place of something within an experiment's artefacts."""


def artifacts_of(experiment: str, folder: Path) -> str:
    """Return the URI of an experiment's artefacts in the store in this folder."""
    return (folder.resolve() / "artifacts" / experiment).as_uri()


def follow(database: Path) -> None:
    """Have the records name the places beside this database; does nothing if they do, or if there is no database."""
    if not database.exists():
        return
    with closing(sqlite3.connect(database, timeout=_WAIT_S)) as connection, connection:
        if not connection.execute("select 1 from sqlite_master where name = 'experiments'").fetchone():
            return
        for experiment, name, old in connection.execute(
            "select experiment_id, name, artifact_location from experiments where artifact_location like 'file:%'"
        ).fetchall():
            new = artifacts_of(name, database.parent)
            tail = new.removeprefix(database.parent.resolve().as_uri())
            if old != new and old.endswith(tail):
                log.warning("MLflow's store has moved: the artifacts of %s are now in %s", name, new)
                _move(connection, experiment, old, new)


def _move(connection: sqlite3.Connection, experiment: int, old: str, new: str) -> None:
    set_location = "update experiments set artifact_location = ? where experiment_id = ?"
    connection.execute(set_location, (new, experiment))
    place = {"new": f"{new}/", "old": f"{old}/", "length": len(old) + 1, "after": len(old) + 2}
    for statement in _PLACES:
        connection.execute(statement, place)


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    follow(Path(sys.argv[1]) / "mlflow.db")
