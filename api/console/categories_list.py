"""The categories of a choice, in the order of the tree and in the reader's language."""

from typing import Annotated, NamedTuple

from fastapi import Depends

from api.lifecycle.names import NamesDep


class CategoryChoice(NamedTuple):
    code: str
    name: str
    depth: int
    """0 at the root."""


async def _choices(names: NamesDep) -> list[CategoryChoice]:
    taxonomy = names.in_force.taxonomy
    below: dict[str | None, list[str]] = {}
    for category in taxonomy.categories:
        if category.active:
            below.setdefault(category.parent, []).append(category.code)
    found: list[CategoryChoice] = []
    waiting = [(code, 0) for code in reversed(below.get(None, []))]
    while waiting:
        code, depth = waiting.pop()
        found.append(CategoryChoice(code, names.of(code), depth))
        waiting += [(inner, depth + 1) for inner in reversed(below.get(code, []))]
    return found


CategoryChoicesDep = Annotated[list[CategoryChoice], Depends(_choices)]
