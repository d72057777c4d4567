"""Print the lowest versions that pyproject.toml admits, as constraints for pip."""

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
BOUND = re.compile(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)")


def read_requirements(pyproject):
    """Return the requirements of the build, of the package and of its extras."""
    project = pyproject["project"]
    extras = project["optional-dependencies"].values()
    ours = re.compile(rf"{project['name']}\[")  # an extra that includes others
    listed = sum(extras, pyproject["build-system"]["requires"] + project["dependencies"])
    return [requirement for requirement in listed if not ours.match(requirement)]


def lowest_versions(requirements):
    """Return the lowest version by package; each must have one lower bound, and only one."""
    lowest = {}
    for requirement in requirements:
        bound = BOUND.fullmatch(requirement)
        if bound is None:
            sys.exit(f"pyproject.toml: {requirement!r} is not of the form package>=version")
        package, version = bound.groups()
        if lowest.setdefault(package, version) != version:
            sys.exit(f"pyproject.toml: {package} has the bounds {lowest[package]} and {version}")
    return lowest


if __name__ == "__main__":
    versions = lowest_versions(read_requirements(tomllib.loads(PYPROJECT.read_text("utf-8"))))
    for package, version in versions.items():
        print(f"{package}=={version}")
