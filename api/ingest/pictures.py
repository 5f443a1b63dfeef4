"""The pictures that came as files with a request."""

from collections.abc import Iterable
from dataclasses import dataclass

from api.http.problems import malformed
from shared.file_names import FilePath, NamedPictures, SameNameError


@dataclass(frozen=True)
class PictureRefused:
    """A picture that came with the request and was not stored."""

    detail: str


def oversize(size: int, limit: int) -> PictureRefused:
    return PictureRefused(f"the picture has {size:,} bytes, over {limit:,}")


EMPTY = PictureRefused("the picture is empty")

Picture = str | PictureRefused
"""The sha256 under which the blob store has the picture, or why it was refused."""


class SentPictures(NamedPictures[Picture]):
    """Pictures by the paths that the client has given them."""

    def add(self, path: FilePath, picture: Picture, others: Iterable[FilePath] = ()) -> None:
        """Keep a picture; `others` are further readings of its path.

        Raises:
            Problem: Another picture has the same path.
        """
        try:
            super().add(path, picture, others)
        except SameNameError as error:
            raise malformed(str(error)) from None
