"""Models as clients see them, and what changes which one serves."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from shared.pipeline.stages import GateVerdict
from shared.registry.state import ChampionChange

_WHY_LIMIT = 500


class ModelOut(BaseModel):
    version: str = Field(description="The registry's number, which promotions name.")
    bundle: str = Field(description="What results carry as `bundle`: the hash of what serves.")
    aliases: list[str] = Field(description="champion: it serves; previous: it served before; challenger: the newest.")
    created_at: datetime
    run_id: str | None = Field(description="MLflow's run of the training.")
    figures: dict[str, float] = Field(description="Of its evaluation on the test split.")
    gate: GateVerdict | None = Field(description="How it did against the model that served; null: not compared.")
    workers: int = Field(description="How many serve it at this moment.")


class ModelsOut(BaseModel):
    name: str
    champion: str | None = Field(description="The version that serves; null: each worker's local bundle.")
    previous: str | None = Field(description="What a rollback leads to; null: the local bundle.")
    models: list[ModelOut] = Field(description="The newest 100, and those that an alias names; the newest first.")
    history: list[ChampionChange] = Field(description="The last 200 changes of the champion, the newest first.")
    copied_at: datetime | None = Field(description="When MLflow's registry was looked at last; null: never.")


class RollbackIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=_WHY_LIMIT, description="Kept in the history.")


class PromoteIn(RollbackIn):
    force: bool = Field(default=False, description="Promote it although the gate has refused it, or not seen it.")
