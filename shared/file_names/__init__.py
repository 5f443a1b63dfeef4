"""Names of files as systems and archivers write them, and which picture an item means by one."""

from shared.file_names.named_pictures import AmbiguousNameError, NamedPictures, SameNameError
from shared.file_names.paths import FilePath
from shared.file_names.zip_names import entry_names

__all__ = ["AmbiguousNameError", "FilePath", "NamedPictures", "SameNameError", "entry_names"]
