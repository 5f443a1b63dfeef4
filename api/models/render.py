"""The registry's copy as clients see it."""

from collections.abc import Sequence

from api.access.authentication import Principal
from api.models.schemas import ChampionChangeOut, ModelOut, ModelsOut
from shared.registry.state import CHAMPION, PREVIOUS, ChampionChange, RegistryCopy, RegistryState


def models_out(copy: RegistryCopy | None, name: str, serving: Sequence[str | None], caller: Principal) -> ModelsOut:
    """Render the registry's copy.

    Args:
        name: The registered model's, where there is no copy yet.
        serving: Each worker's bundle.
        caller: Who asks; what other tenants did is shown without names, unless the caller's scopes cover all tenants.
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
                run_id=model.run_id if caller.sees_all_tenants else None,
                figures=model.figures,
                gate=model.verdict,
                workers=serving.count(model.bundle),
            )
            for model in state.versions
        ],
        history=[_change_out(change, caller) for change in state.history],
        copied_at=copy.copied_at if copy else None,
    )


def _change_out(change: ChampionChange, caller: Principal) -> ChampionChangeOut:
    # "tenant", "tenant/key" or "training … of tenant"
    own = change.by.partition("/")[0] == caller.tenant or change.by.endswith(f" of {caller.tenant}")
    named = own or caller.sees_all_tenants
    return ChampionChangeOut(
        kind=change.kind,
        at=change.at,
        by=change.by if named else None,
        why=change.why if named else None,
        champion=change.champion,
        previous=change.previous,
    )
