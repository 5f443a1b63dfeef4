"""Models as clients see them, and what changes which one serves."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from shared.pipeline.stages import GateVerdict
from shared.registry.state import ChangeKind

WHY_LIMIT = 500


class ModelOut(BaseModel):
    version: str = Field(description="The number in the model registry, by which promotions name it.")
    bundle: str = Field(description="The bundle's hash, which results have as `bundle`.")
    aliases: list[str] = Field(
        description="`champion` serves, `previous` served before, `challenger` was trained last, trials excepted."
    )
    created_at: datetime
    run_id: str | None = Field(description="The MLflow run of the training; null without the scope admin or observe.")
    figures: dict[str, float] = Field(description="Figures of the evaluation on the test split.")
    gate: GateVerdict | None = Field(description="The gate's verdict; null if the gate has not judged it.")
    workers: int = Field(description="How many workers serve it at this moment.")


class ChampionChangeOut(BaseModel):
    kind: ChangeKind
    at: datetime
    by: str | None = Field(
        description="Who changed it: tenant and key id, or a training. Null for another tenant's change, unless your "
        "key has the scope admin or observe."
    )
    why: str | None = Field(description="The reason given; null where `by` is.")
    champion: str | None = Field(description="The version that serves since then; null for the local bundle.")
    previous: str | None = Field(description="The version that served before; null for the local bundle.")


class ModelsOut(BaseModel):
    name: str
    champion: str | None = Field(description="The version that serves; null if each worker serves its local bundle.")
    previous: str | None = Field(description="The version that a rollback leads to; null for the local bundle.")
    models: list[ModelOut] = Field(description="The newest 100 versions and those with an alias, the newest first.")
    history: list[ChampionChangeOut] = Field(description="The last 200 changes of the champion, the newest first.")
    copied_at: datetime | None = Field(description="When MLflow's registry was last read; null if never.")


class RollbackIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=WHY_LIMIT, description="Why the champion is changed; kept in the history.")


class PromoteIn(RollbackIn):
    force: bool = Field(
        default=False, description="Promote the version although the gate has refused it or has not judged it."
    )
