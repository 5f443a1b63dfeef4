"""`python requirements.py EXTRA...`: what pyproject.toml says that those extras need, a line each.

So a change of anything else in that file installs no package again.
"""

import sys
import tomllib
from collections.abc import Iterator

with open("pyproject.toml", "rb") as file:  # noqa: PTH123  # in a build there is nothing but this
    document = tomllib.load(file)
project, groups = document["project"], document["dependency-groups"]


def needed(names: list[str]) -> Iterator[str]:
    """Of the extras and groups of these names; an extra may name others."""
    for name in names:
        for requirement in project["optional-dependencies"].get(name) or groups[name]:
            if requirement.startswith(f"{project['name']}["):
                yield from needed(requirement.partition("[")[2].rstrip("]").split(","))
            else:
                yield requirement


print("\n".join(sorted({*project["dependencies"], *needed(sys.argv[1:])})))  # noqa: T201
