"""Forms of the console's pages: small, and each with the token of its session."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from api.access.sessions import token_of
from api.http.body import Body, media_type
from api.http.problems import malformed

_LARGEST, _MOST_FIELDS = 64 * 1024, 500
_FORM = "application/x-www-form-urlencoded"

Form = dict[str, str]


async def read_form_of_session(request: Request) -> None:
    """Read the form of somebody who has signed in before the caller is known: its token tells that our page sent it.

    Nobody else's is read before it is known who is calling.

    Raises:
        Problem: As `_form` does.
    """
    if token_of(request) is not None:
        await _form(request)


async def _form(request: Request) -> Form:
    """Return the fields of a form; none of a request that has no form.

    Raises:
        Problem: The form is larger than any of the console, or cannot be read.
    """
    if not hasattr(request.state, "form"):
        request.state.form = await _read(request) if media_type(request) == _FORM else {}
        request.state.csrf = request.state.form.pop("csrf", "")
    form: Form = request.state.form
    return form


async def _read(request: Request) -> Form:
    text = await Body(request, _LARGEST).whole()
    try:
        return dict(parse_qsl(text.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"))
    except ValueError:
        raise malformed(f"the form is not UTF-8, or has more than {_MOST_FIELDS} fields") from None


FormDep = Annotated[Form, Depends(_form)]
"""To be named behind the caller, so that a stranger's form is not waited for."""
