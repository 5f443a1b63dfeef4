"""What the record of a failed training says. Its client is shown neither the trainer's folders nor its credentials."""

import re

from shared.pipeline.params import without_passwords

_HEAD, _TAIL = 1000, 3000
"""Characters that are shown of a longer message: what failed is told first, and why it failed last."""
_URL = re.compile(r"(://[^\s?'\"]*+)(\?[^\s'\"]*+)?")
_FOLDERS = re.compile(r"(?:(?<=://)/?|(?<![\w/.~])~?)/(?:[^\s/'\"]++/++)+(?=[^\s/'\"])")
"""The folders of an absolute path, up to its last part; a URL's path follows a host, so it has none."""


def told(message: str) -> str:
    """Return the message in bounds, without passwords and queries of URLs, and of paths the last part alone."""
    text = _URL.sub(lambda url: url[1] + ("?…" if url[2] else ""), without_passwords(message))
    text = _FOLDERS.sub("…/", text).encode(errors="replace").decode()
    return text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]} … {text[-_TAIL:]}"
