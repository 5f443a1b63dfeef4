"""A picture's bytes to the VGG16 network's input, for training and serving alike."""

from shared.model.images.decoding import MAX_PIXELS, check, decode
from shared.model.images.pillow import Pixels
from shared.picture_files import UnreadableImageError

__all__ = ["MAX_PIXELS", "Pixels", "UnreadableImageError", "check", "decode"]
