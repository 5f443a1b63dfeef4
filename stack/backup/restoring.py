"""Restoring a backup into an empty installation whose processes do not run yet.

Redis comes last, and in one step, so an interrupted restore leaves an installation without jobs and keys; the same
restore then continues where it was interrupted.
"""

from collections.abc import Callable, Iterator

from shared.settings import Settings
from stack.backup.archive import Archive, BackupError
from stack.backup.models import ModelsLoad
from stack.backup.progress import ProgressLines
from stack.backup.redis_load import RedisLoad
from stack.backup.trees import Tree, TreeLoad, in_parallel, trees


def restore(settings: Settings, url: str, progress: ProgressLines) -> Archive:
    """Restore everything that the backup has.

    Raises:
        BackupError: The backup is not whole, damaged or from a newer release, or there is something already.
        OSError, RedisError, MlflowException: A store cannot be reached.
    """
    archive = Archive(url)
    redis = RedisLoad(settings)
    redis.check_empty()
    stores = [TreeLoad(tree, archive, progress) for tree in _wanted(settings, archive)]
    models = ModelsLoad(settings.registered_model, archive, progress) if archive.manifest.versions is not None else None
    for store in stores:
        store.check_empty()
    if models is not None:
        models.check_empty()
    _verify(archive, progress)
    for store in stores:
        store.load()
    if models is not None:
        models.load()
    with progress.of("pieces of Redis' copy") as more:
        redis.load(_pieces(archive, more))
    progress.say(f"keys of Redis: {redis.adopt():,}")
    return archive


def _wanted(settings: Settings, archive: Archive) -> list[Tree]:
    found = trees(settings)
    if "protected" in archive.manifest.contents and all(tree.name != "protected" for tree in found):
        raise BackupError("the backup has a protected set: say where it belongs in CATALOG_PROTECTED_SET")
    return found


def _verify(archive: Archive, progress: ProgressLines) -> None:
    """Raise `BackupError` unless each file is there and is what was saved."""
    with progress.of("files verified", archive.size.files) as more:
        for _ in in_parallel(archive.read, archive.files()):
            more(1)


def _pieces(archive: Archive, more: Callable[[int], None]) -> Iterator[bytes]:
    for file in archive.files("redis/"):
        yield archive.read(file)
        more(1)
