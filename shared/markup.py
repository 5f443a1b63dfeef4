"""Removing what is no text from a text: tags, comments, style sheets and scripts.

Only what HTML would read as such is removed: `<` and `>` also compare numbers, and `<<` is a quotation mark. Every
expression takes time in proportion to the text's length: it stops at the next `<`, where another attempt may begin.
"""

import html
import re
from itertools import groupby
from operator import itemgetter

_ELEMENTS = """a abbr acronym address applet area article aside audio b base basefont bdi bdo big blink blockquote body
br button canvas caption center cite code col colgroup data datalist dd del details dfn dialog dir div dl dt em embed
fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe img
input ins kbd label legend li link main map mark marquee menu meta meter nav nobr noframes noscript object ol optgroup
option output p param picture pre progress q rp rt ruby s samp script search section select small source span strike
strong style sub summary sup svg table tbody td template textarea tfoot th thead time title tr track tt u ul var video
wbr"""
_FAMILIES = [
    (first, "|".join(name[1:] for name in names)) for first, names in groupby(_ELEMENTS.split(), itemgetter(0))
]
_NAME = rf"(?:{'|'.join(f'{first}(?:{rest})' for first, rest in _FAMILIES)}|[a-z]\w*:[a-z]\w*)"
"""An element of HTML, or one with a namespace, as Word writes them: `<Cars>` may be a title in angle brackets."""
_ATTRIBUTES = r"""[\s/][^<>=]*+(?:=\s*+(?:"[^"<]*+"|'[^'<]*+')?+[^<>=]*+)++"""
_TAG = re.compile(
    rf"(?<!<)<(?:[/!?][^<>]*+|{_NAME}(?:\s*+/?|{_ATTRIBUTES}|[\s/][^<>=]*+=[^<>]*+))>", re.IGNORECASE | re.ASCII
)
"""A tag; `<table ronde>`, without an attribute's `=`, is none. In the last form, nothing closes a quotation mark."""

_OPENING = re.compile(r"<(?:(!)--|(style|script)(?=[\s/>]))", re.IGNORECASE)
_CLOSING = {
    "!": re.compile("--!?>"),
    "style": re.compile(r"</style[^<>]*+>", re.IGNORECASE),
    "script": re.compile(r"</script[^<>]*+>", re.IGNORECASE),
}

_LONG_NUMBER = re.compile("&#[0-9]{20,}+;?")
"""No character has it as its number, and `int` takes no number of thousands of digits."""


def without_markup(text: str) -> str:
    """Return a text with its entities decoded, and a blank in the place of each tag and of what is not displayed.

    Entities are decoded twice, because shops escape what was already escaped. What begins and does not end is text.
    """
    if "&" in text:
        text = html.unescape(html.unescape(_LONG_NUMBER.sub(" ", text)))
    if "<" not in text:
        return text
    return _TAG.sub(" ", _without_blocks(text))


def _without_blocks(text: str) -> str:
    """Remove comments, style sheets and scripts."""
    kept: list[str] = []
    place = 0
    unclosed: set[str] = set()  # looking for the same end again and again would take the square of the text's length
    for opening in _OPENING.finditer(text):
        kind = (opening[1] or opening[2]).lower()
        if opening.start() < place or kind in unclosed:
            continue
        # A comment may end with the dashes that it began with: `<!-->`.
        closing = _CLOSING[kind].search(text, opening.start() + 2)
        if closing is None:
            unclosed.add(kind)
        else:
            kept.append(text[place : opening.start()])
            place = closing.end()
    kept.append(text[place:])
    return " ".join(kept)
