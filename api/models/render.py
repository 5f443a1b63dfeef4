"""The registry's copy as clients see it."""

from collections.abc import Sequence

from api.models.schemas import ModelOut, ModelsOut
from shared.registry.state import CHAMPION, PREVIOUS, RegistryCopy, RegistryState


def models_out(copy: RegistryCopy | None, name: str, serving: Sequence[str | None]) -> ModelsOut:
    """Render the registry's copy.

    Args:
        name: The registered model's, where there is no copy yet.
        serving: Each worker's bundle.
    """
    state = copy.state if copy else RegistryState(name=name)
    return ModelsOut(
        name=state.name,
        champion=state.aliases.get(CHAMPION),
        previous=state.aliases.get(PREVIOUS),
        models=[
            ModelOut(
                version=model.version,
                bundle=model.bundle,
                aliases=sorted(alias for alias, version in state.aliases.items() if version == model.version),
                created_at=model.created_at,
                run_id=model.run_id,
                figures=model.figures,
                gate=model.verdict,
                workers=serving.count(model.bundle),
            )
            for model in state.versions
        ],
        history=list(state.history),
        copied_at=copy.copied_at if copy else None,
    )
