"""What must hold of GitHub's workflows beyond their schema. Each check answers with what is wrong, one line each."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
OURS = re.compile(r"uses: \$/\.github/")
"""An action of this repository, at the commit that runs."""


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of the tools of requirements-deploy.lock."""
    if shutil.which(command[0]) is None:
        pytest.fail(f"{command[0]} is not on the PATH: run `make test-deploy`, which installs it")
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _complaint(*command: str | Path) -> Iterator[str]:
    done = run(*command)
    if done.returncode:
        yield f"{command[0]}: {done.stdout}{done.stderr}"


def workflows(root: Path) -> list[Path]:
    return sorted((root / ".github/workflows").glob("*.y*ml"))


def actions(root: Path) -> list[Path]:
    return sorted((root / ".github/actions").glob("*/action.y*ml"))


def jobs(workflow: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(workflow.read_text())["jobs"]
    return loaded


def commands(root: Path) -> Iterator[tuple[str, str]]:
    """Each shell block, and where it stands."""
    for workflow in workflows(root):
        for name, job in jobs(workflow).items():
            yield from ((f"{workflow.name}, {name}", step["run"]) for step in job.get("steps", []) if "run" in step)
    for action in actions(root):
        steps = yaml.safe_load(action.read_text())["runs"]["steps"]
        yield from ((action.parent.name, step["run"]) for step in steps if "run" in step)


def schemas(root: Path) -> Iterator[str]:
    """Violations of the schema store's schemas."""
    yield from _complaint("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows(root))
    if actions(root):
        yield from _complaint("check-jsonschema", "--builtin-schema", "vendor.github-actions", *actions(root))


def security(root: Path) -> Iterator[str]:
    """What zizmor finds, as its strictest persona."""
    yield from _complaint("zizmor", "--offline", "--quiet", "--persona", "auditor", "--strict-collection", root)


def pins(root: Path) -> Iterator[str]:
    """Actions that do not name one commit and, for readers and Dependabot, its version."""
    for file in workflows(root) + actions(root):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            used = line.strip().removeprefix("- ")
            if used.startswith("uses:") and not (PINNED.match(used) or OURS.match(used)):
                yield f"{file.name}:{number}: {used}"


def bounds(root: Path) -> Iterator[str]:
    """Jobs that may run for hours, or with whatever the token happens to allow."""
    for workflow in workflows(root):
        if yaml.safe_load(workflow.read_text()).get("permissions") != {}:
            yield f"{workflow.name}: not `permissions: {{}}` for all jobs that say nothing"
        for name, job in jobs(workflow).items():
            if "permissions" not in job:
                yield f"{workflow.name}, {name}: no permissions"
            if "uses" not in job and "timeout-minutes" not in job:
                yield f"{workflow.name}, {name}: no timeout-minutes"


def targets(root: Path) -> Iterator[str]:
    """Targets of make that there are none of."""
    known = set(re.findall(r"^([\w./-]+):", (root / "Makefile").read_text(), re.MULTILINE))
    for place, script in commands(root):
        for words in re.findall(r"^\s*make (.*)$", script, re.MULTILINE):
            for target in words.split():
                if "=" not in target and target not in known:
                    yield f"{place}: make {target}"


def shell(root: Path, folder: Path) -> Iterator[str]:
    """What shellcheck finds in the workflows' own commands."""
    for number, (place, script) in enumerate(commands(root)):
        file = folder / f"{number}.sh"
        file.write_text(f"#!/bin/bash -e\n# {place}\n{script}\n")
        yield from _complaint("shellcheck", file)


def images(root: Path) -> Iterator[str]:
    """Targets of the Dockerfile that are not published, and the reverse. A stage that no other one uses is an image."""
    dockerfile = (root / "Dockerfile").read_text()
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", dockerfile, re.MULTILINE))
    used = set(re.findall(r"^FROM (\S+)|from=([\w-]+)", dockerfile, re.MULTILINE))
    built = stages - {name for pair in used for name in pair}
    published = set(jobs(root / ".github/workflows/images.yml")["image"]["strategy"]["matrix"]["target"])
    if built != published:
        yield f"built: {sorted(built)}, published: {sorted(published)}"


def pythons(root: Path) -> Iterator[str]:
    """Versions of Python that pyproject.toml allows and no test runs on, and the reverse."""
    allowed = SpecifierSet(tomllib.loads((root / "pyproject.toml").read_text())["project"]["requires-python"])
    supported = [version for version in (f"3.{minor}" for minor in range(40)) if version in allowed]
    tested = jobs(root / ".github/workflows/checks.yml")["tests"]["strategy"]["matrix"]["python"]
    if supported != tested:
        yield f"supported: {supported}, tested: {tested}"
