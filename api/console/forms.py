"""Forms of the console's pages: small, and each with the token of its session."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from api.http.body import Body, media_type
from api.http.problems import malformed

_LARGEST, _MOST_FIELDS = 64 * 1024, 500
_FORM = "application/x-www-form-urlencoded"

Form = dict[str, str]


async def read_form(request: Request) -> Form:
    """Return the fields of a form; none of a request that has no form, such as a page's.

    It runs before the caller is known, so that the form's token can tell that a page of ours has sent it.

    Raises:
        Problem: The form is larger than any of the console, or cannot be read.
    """
    if media_type(request) != _FORM:
        return {}
    text = await Body(request, _LARGEST).whole()
    try:
        form = dict(parse_qsl(text.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"))
    except ValueError:
        raise malformed(f"the form is not UTF-8, or has more than {_MOST_FIELDS} fields") from None
    request.state.csrf = form.pop("csrf", "")
    return form


FormDep = Annotated[Form, Depends(read_form)]
