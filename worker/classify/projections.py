"""What the taxonomy in force makes of a bundle's answers, looked up for each chunk."""

import logging
from collections.abc import Callable

from redis import RedisError

from shared.model.bundle import Bundle
from shared.model.projection import Projection
from shared.taxonomy import Taxonomy

log = logging.getLogger(__name__)


class Projections:
    """The projection of one bundle's answers; used by many threads at once.

    Args:
        put: Returns the taxonomy that somebody has put last, the same object until there is another, or `None` while
            nobody has: then the bundle's own is in force. It may raise `RedisError` and `OSError`.
    """

    def __init__(self, bundle: Bundle, put: Callable[[], Taxonomy | None] = lambda: None) -> None:
        self._bundle = bundle
        self._put = put
        self._latest: Projection | None = None

    def now(self) -> Projection:
        """Return the projection in force; it is computed when the taxonomy changes.

        If it cannot be learned which taxonomy is in force, it is the one that was before.
        """
        latest = self._latest
        try:
            taxonomy = self._put() or self._bundle.taxonomy
        except (RedisError, OSError) as error:
            log.warning("the taxonomy in force cannot be read, the one before it serves: %s", error)
            taxonomy = self._bundle.taxonomy if latest is None else latest.taxonomy
        if latest is None or latest.taxonomy is not taxonomy:
            latest = Projection(self._bundle.codes, taxonomy)
            self._latest = latest
            log.info("bundle %s answers with taxonomy %s", self._bundle.id, latest.version)
        return latest
