"""What the bytes of a picture's file tell before anything is decoded: format, orientation, and the work of decoding."""

from shared.picture_files.errors import UnreadableImageError
from shared.picture_files.essentials import essentials
from shared.picture_files.forms import is_plain
from shared.picture_files.kinds import kind_of
from shared.picture_files.orientation import orientation

__all__ = ["UnreadableImageError", "essentials", "is_plain", "kind_of", "orientation"]
