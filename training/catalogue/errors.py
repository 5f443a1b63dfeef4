"""What ends an import."""


class CatalogueError(ValueError):
    """The source cannot be imported; the message says what is wrong, where, and what to do."""
