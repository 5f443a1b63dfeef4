"""The options that come beside the items or labels of a request."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from api.http.problems import Problem, invalid_request, shortened
from shared.ledger import MAX_DEADLINE_S

Options = TypeVar("Options", bound=BaseModel)


def validated(model: type[Options], options: Mapping[str, Any]) -> Options:
    """The options as the model; an empty value counts as left out. Raises `Problem`, which names each wrong one."""
    try:
        return model.model_validate({name: value for name, value in options.items() if value != ""})
    except ValidationError as error:
        if {entry["loc"][:1] for entry in error.errors()} == {("webhook_url",)}:
            detail = f"webhook_url is not an http(s) URL: {shortened(repr(options['webhook_url']))}."
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-webhook-url", detail) from None
        raise invalid_request(error.errors()) from None


def check_deadline(deadline_s: float) -> None:
    """Raise `Problem` if the deadline is later than the service allows."""
    if deadline_s > MAX_DEADLINE_S:
        detail = f"deadline_s is {deadline_s:g}, but at most {MAX_DEADLINE_S:,} s are allowed."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "deadline-too-late", detail)
