"""The registry's copy as clients see it."""

from api.dependencies import Stores
from api.models.schemas import ModelOut, ModelsOut
from shared.registry.state import CHAMPION, PREVIOUS, RegistryState
from shared.telemetry.worker_status import alive


def models_out(stores: Stores) -> ModelsOut:
    copy = stores.models.copy()
    state = copy.state if copy else RegistryState(name=stores.settings.registered_model)
    serving = [worker.bundle for worker in alive(stores.redis)]
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
