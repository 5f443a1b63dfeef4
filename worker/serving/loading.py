"""Makes a model ready to serve while another one may still be serving."""

from shared.model import golden, runtimes
from shared.model.bundle import Bundle
from shared.settings import Settings
from worker.serving.engine import Engine


def make_ready(bundle: Bundle, settings: Settings, beside: Engine | None = None) -> tuple[Engine, str]:
    """Return a warmed-up and verified engine, and the human-readable reason for its runtime.

    Args:
        beside: The engine that serves meanwhile.

    Raises:
        BundleError: the bundle's answers differ from those it gave where it was trained.
        ValueError, ImportError: the bundle cannot run here.
    """
    runtime, reason = runtimes.choose(bundle, settings.runtime)
    engine = Engine(bundle, runtime)
    try:
        engine.warm_up(like=beside if beside and _computes_like(engine, beside) else None)
        golden.verify(bundle, runtime)
    except BaseException:
        engine.close()
        raise
    return engine, reason


def _computes_like(engine: Engine, other: Engine) -> bool:
    """Whether both run the same backbone on the same runtime."""
    return engine.runtime.name == other.runtime.name and engine.bundle.has_same_backbone(other.bundle)
