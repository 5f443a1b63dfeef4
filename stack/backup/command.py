"""`catalog-run backup PLACE` and `catalog-run restore PLACE`."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException
from redis.exceptions import RedisError

from shared.registry.mlflow import reason
from shared.settings import get_settings
from stack.backup.archive import BackupError, BackupManifest
from stack.backup.progress import ProgressLines
from stack.backup.restoring import restore
from stack.backup.saving import save

_PRIVATE = 0o077


def main(arguments: Sequence[str]) -> None:
    """Run the command; ends the process with a sentence if it fails."""
    asked = _parser().parse_args(arguments)
    progress = ProgressLines()
    try:
        if asked.command == "backup":
            os.umask(_PRIVATE)
            manifest = save(get_settings(), asked.place, progress, with_models=not asked.without_models)
            print(f"Saved:{_figures(manifest)}")
            print("Not saved: the settings with their secrets. Keep CATALOG_WEBHOOK_SECRETS elsewhere.")
        else:
            archive = restore(get_settings(), asked.place, progress)
            print(f"Restored:{_figures(archive.manifest)}")
    except (BackupError, OSError) as error:
        _fail(asked, str(error))
    except RedisError as error:
        _fail(asked, f"Redis cannot be reached, or refuses a command: {error}")
    except MlflowException as error:
        _fail(asked, f"MLflow cannot be reached, or refuses a request: {reason(error)}")


def _fail(asked: argparse.Namespace, why: str) -> NoReturn:
    """End with the message, without the user's name and password in the place, which a library may quote."""
    account = urlsplit(asked.place).netloc.rpartition("@")[0]
    sys.exit(f"catalog-run {asked.command}: {why.replace(f'{account}@', '') if account else why}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="catalog-run")
    commands = parser.add_subparsers(dest="command", required=True)
    place = "a folder, or a URL such as s3://bucket/backups/monday"
    backup = commands.add_parser("backup", help="Save everything that the service keeps, while it runs.")
    backup.add_argument("place", help=f"{place}; it must be empty")
    backup.add_argument("--without-models", action="store_true", help="leave out MLflow's registry")
    restoring = commands.add_parser("restore", help="Restore a backup into an empty installation.")
    restoring.add_argument("place", help=place)
    return parser


def _figures(manifest: BackupManifest) -> str:
    redis, contents = manifest.redis, manifest.contents
    waiting = sum(redis.waiting.values())
    lines = [
        f"as of {manifest.taken:%Y-%m-%d %H:%M:%S} UTC",
        f"{redis.keys:,} keys of {redis.server}: {redis.jobs:,} jobs, {redis.unfinished:,} of them unfinished with "
        f"{waiting:,} items waiting; {redis.api_keys:,} API keys",
        *(f"{folder}: {of.files:,} files, {of.bytes:,} bytes" for folder, of in sorted(contents.items())),
        "models: left out" if manifest.versions is None else f"models: {manifest.versions:,} versions",
    ]
    return "".join(f"\n  {line}" for line in lines)
