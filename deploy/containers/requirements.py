"""`python requirements.py EXTRA...`: what pyproject.toml says that those extras need, a line each.

`client` stands for the command `catalog`, which client/pyproject.toml describes, without its reader of workbooks. A
change of anything else in the two files installs no package again.
"""

import sys
import tomllib
from collections.abc import Iterator

with open("pyproject.toml", "rb") as file:  # noqa: PTH123  # in a build there is nothing but this
    document = tomllib.load(file)
project, groups = document["project"], document["dependency-groups"]
with open("client/pyproject.toml", "rb") as file:  # noqa: PTH123
    client = tomllib.load(file)["project"]
extras = {
    **project["optional-dependencies"],
    "client": [*client["dependencies"], *client["optional-dependencies"]["cli"]],
}


def needed(names: list[str]) -> Iterator[str]:
    """Requirements of the extras and groups with these names; an extra may name others."""
    for name in names:
        for requirement in extras.get(name) or groups[name]:
            if requirement.startswith(f"{project['name']}["):
                yield from needed(requirement.partition("[")[2].rstrip("]").split(","))
            elif not requirement.startswith(f"{client['name']}["):
                yield requirement


print("\n".join(sorted({*project["dependencies"], *needed(sys.argv[1:])})))  # noqa: T201
