"""Taking a backup while the service works.

The order makes it whole: old pictures are removed while they are copied, a day after nothing refers to them any more.
So they are copied before Redis, and what came meanwhile is copied after it. Labels and the registry only grow.
"""

from shared.settings import Settings
from stack.backup import models
from stack.backup.archive import BackupManifest, Writer
from stack.backup.progress import ProgressLines
from stack.backup.redis_copy import RedisCopy
from stack.backup.trees import TreeCopy, trees

_PIECE_BYTES = 8 * 1024**2


def save(settings: Settings, url: str, progress: ProgressLines, *, with_models: bool) -> BackupManifest:
    """Write a backup to a new folder or URL.

    Raises:
        BackupError: There is something already, or the keys cannot be copied as of one moment.
        OSError, RedisError, MlflowException: A store cannot be reached.
    """
    writer = Writer(url)
    copies = [TreeCopy(tree, writer, progress) for tree in trees(settings)]
    pictures, *others = copies
    pictures.turn()
    pieces = _Pieces(writer)
    taken, figures = RedisCopy(settings, pieces.keep, progress).take()
    pieces.end()
    for copy in (pictures, *others):
        copy.turn()
    versions = models.save(settings.registered_model, writer, progress) if with_models else None
    return writer.finish(taken, figures, versions)


class _Pieces:
    """Joins commands into files of some megabytes."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._joined = bytearray()
        self._count = 0

    def keep(self, commands: bytes) -> None:
        self._joined += commands
        if len(self._joined) >= _PIECE_BYTES:
            self.end()

    def end(self) -> None:
        if self._joined:
            self._count += 1
            self._writer.add(f"redis/{self._count:06}.resp", bytes(self._joined))
            self._joined.clear()
