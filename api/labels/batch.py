"""The labels of one request while they come in: each is validated, and its picture stored."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from http import HTTPStatus

from pydantic import ValidationError

from api.http.problems import Problem
from api.ingest import RawItem, SentPictures, Spool
from api.items.images import keep_picture
from api.items.validation import InvalidItems, ItemError, check_members, invalid
from api.labels.categories import LabelCategories
from api.labels.schemas import LabelIn
from shared.settings import Settings
from shared.stores.labels import Label

_TEXT_LIMIT = 16 * 1024**2
"""Characters of one request, all of which stay in memory until every label has been validated."""

_CLOCK_SKEW_S = 60
"""How far a caller's clock may be ahead of Redis's."""


@dataclass
class LabelBatch:
    """`add` takes a label in; `total` counts all of them, `invalid` holds those that cannot be accepted."""

    settings: Settings
    spool: Spool
    """The pictures, until all labels have been validated."""
    tenant: str
    by: str
    """Who says what the items are, where a label does not name anybody."""
    now: float
    categories: LabelCategories
    total: int = 0
    invalid: InvalidItems = field(default_factory=InvalidItems)
    labels: list[tuple[RawItem, Label]] = field(default_factory=list)
    """A label that names a result has neither item nor kind before it is looked up."""
    days: dict[str, date] = field(default_factory=dict)
    """The day on which each named job was worked on."""
    _characters: int = 0

    async def add(self, raw: RawItem) -> None:
        """Validate a label and keep it, or note what is wrong with it.

        Raises:
            Problem: the request holds too many labels, or too much text.
            OSError: its picture cannot be kept.
        """
        if self.total == self.settings.max_labels:
            detail = f"A request holds at most {self.settings.max_labels:,} labels: send the rest in another request."
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-many-labels", detail)
        self.total += 1
        try:
            label = await self._label(raw)
            if label.job is None:
                check_content(label)
        except (ValidationError, ItemError) as error:
            self.refuse(raw, error)
        else:
            self._characters += len(label.title or "") + len(label.description or "")
            if self._characters > _TEXT_LIMIT:
                detail = f"The labels' texts have over {_TEXT_LIMIT:,} characters: send them in several requests."
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "labels-too-long", detail)
            self.labels.append((replace(raw, fields=None), label))  # without a picture in base64

    def refuse(self, raw: RawItem, error: ValidationError | ItemError) -> None:
        self.invalid.add(invalid(raw, error))

    async def _label(self, raw: RawItem) -> Label:
        check_members(raw.fields)
        body = LabelIn.model_validate(raw.fields)
        image = body.image
        return Label(
            index=raw.index,
            code=await self.categories.find(body.code),
            by=body.by or self.by,
            at=self._time(body.at),
            tenant=self.tenant,
            title=body.title,
            description=body.description,
            picture=await keep_picture(image, SentPictures(), self.settings, self.spool),
            url=None if image is None else image.link,
            job=body.job_id,
            item=body.item_id,
        )

    def _time(self, at: datetime | None) -> datetime:
        """The label's time, now by default and never later than now; raises `ItemError` if it lies in the future."""
        now = datetime.fromtimestamp(self.now, UTC)
        if at is None:
            return now
        at = at.astimezone(UTC)
        if at.timestamp() > self.now + _CLOCK_SKEW_S:
            detail = f"{at.isoformat()} is in the future: here it is {now.isoformat(timespec='seconds')}"
            raise ItemError("/at", "in_the_future", detail)
        return min(at, now)


def check_content(label: Label) -> None:
    """Raise `ItemError` if the label holds nothing that distinguishes its item from others."""
    if label.identity is None:
        detail = "there is neither a word nor a stored picture to learn from"
        if label.url is not None:
            detail += ": a picture's URL is not fetched for a label, so send the picture in base64"
        raise ItemError("", "nothing_to_learn", detail)
