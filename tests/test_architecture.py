"""The rules of the house that can be read off the source."""

import ast
import re
import sys
import tomllib
from dataclasses import is_dataclass
from graphlib import TopologicalSorter
from importlib import import_module
from itertools import dropwhile
from pathlib import Path

import pytest

import skdnn

ROOT = Path(skdnn.__file__).parent
LEVELS = {
    "arrays": -3,
    "registry": -3,
    "activations": -2,
    "kernels": -1,
    "initializers": 0,
    "losses": 0,
    "schedules": 0,
    "parameters": 0,
    "layers": 1,
    "averaging": 1,
    "optimizers": 1,
    "batches": 1,
    "stopping": 1,
    "network": 2,
    "threads": 3,
    "training": 4,
    "lbfgs": 5,
}
PREPROCESSING_LEVELS = {
    "statistics": 0,
    "tables": 0,
    "bins": 1,
    "checks": 1,
    "columns": 1,
    "scaler": 2,
    "piecewise_linear": 2,
    "categories": 2,
    "encodings": 3,
    "tabular": 4,
}
PRIVATE_ALLOWED = "skdnn.estimators._sklearn"
# What each part may import besides skdnn and the standard library; what comes with an extra only
# inside of functions.  "" are the modules of skdnn itself.
MAY_IMPORT = {
    "": {"threadpoolctl"},
    "callback": {"sklearn", "rich"},
    "engine": {"numpy", "scipy", "threadpoolctl"},
    "estimators": {"numpy", "scipy", "sklearn"},
    "inspection": {"numpy", "scipy", "sklearn", "matplotlib"},
    "model_selection": {"joblib", "numpy", "scipy", "sklearn"},
    "preprocessing": {"narwhals", "numpy", "pandas", "scipy", "sklearn"},
}
EXTRAS = {"matplotlib", "rich"}
DISTRIBUTIONS = {"sklearn": "scikit-learn"}  # where a package is called otherwise than its module
NOT_IMPORTED = {"pandas"}  # declared for its data frames; skdnn itself does not import it


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {module_name(path): ast.parse(path.read_text("utf-8")) for path in ROOT.rglob("*.py")}
ENGINE = [name for name in TREES if name.startswith("skdnn.engine")]
PREPROCESSING = [name for name in TREES if name.startswith("skdnn.preprocessing")]


def imports(tree: ast.Module) -> list[tuple[str, str | None]]:
    """Return (module, name) of every import, wherever it stands; name is None for a module."""
    found: list[tuple[str, str | None]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            found += [(str(node.module), alias.name) for alias in node.names]
    return found


def foreign(tree: ast.Module) -> set[str]:
    """Return the packages that are imported besides skdnn and the standard library."""
    packages = {module.split(".")[0] for module, _ in imports(tree)}
    return packages - sys.stdlib_module_names - {"skdnn"}


def at_once(tree: ast.Module) -> ast.Module:
    """Return the imports that are carried out whenever the module itself is imported."""
    return ast.Module([n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)], [])


def part(name: str) -> str:
    """Return the sub-package that a module belongs to; "" for the modules of skdnn itself."""
    inner = name.split(".")[1:2]
    return inner[0] if inner and inner[0] in MAY_IMPORT else ""


def imported_modules(tree: ast.Module) -> set[str]:
    """Return the modules of skdnn that are imported; ``from package import module`` is one."""
    targets = set()
    for module, name in imports(tree):
        inner = f"{module}.{name}"
        targets.add(inner if inner in TREES else module)
    return {target for target in targets if target in TREES}


def component(name: str) -> str:
    """Return the part of its package that a module belongs to, such as kernels of the engine."""
    return [*name.split("."), ""][2]


def private_names(tree: ast.Module) -> list[str]:
    """Return what is imported from scikit-learn and has a leading underscore somewhere."""
    dotted = [f"{module}.{name}" if name else module for module, name in imports(tree)]
    return [
        path
        for path in dotted
        if path.split(".")[0] == "sklearn" and any(p.startswith("_") for p in path.split("."))
    ]


def test_all_modules_are_found():
    assert {component(name) for name in ENGINE} == {*LEVELS, ""}
    assert {component(name) for name in PREPROCESSING} == {*PREPROCESSING_LEVELS, ""}
    assert PRIVATE_ALLOWED in TREES


@pytest.mark.parametrize("name", TREES)
def test_imports_are_those_allowed(name):
    assert foreign(TREES[name]) <= MAY_IMPORT[part(name)]
    assert not foreign(at_once(TREES[name])) & EXTRAS


def test_all_that_is_allowed_is_imported():
    used = {key: set() for key in MAY_IMPORT}
    for name, tree in TREES.items():
        used[part(name)] |= foreign(tree)
    assert used == MAY_IMPORT
    folders = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert folders == MAY_IMPORT.keys() - {""}


def test_what_is_imported_is_declared():
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}
    imported = set.union(*MAY_IMPORT.values()) - EXTRAS
    assert declared == {DISTRIBUTIONS.get(module, module) for module in imported} | NOT_IMPORTED


@pytest.mark.parametrize("name", ENGINE)
def test_engine_knows_no_other_part(name):
    assert all(module.startswith("skdnn.engine") for module in imported_modules(TREES[name]))


@pytest.mark.parametrize("name", [name for name in ENGINE if component(name)])
def test_imports_go_to_lower_levels(name):
    for target in imported_modules(TREES[name]):
        inside = component(target) == component(name)
        assert inside or LEVELS[component(target)] < LEVELS[component(name)], target


@pytest.mark.parametrize("name", PREPROCESSING)
def test_preprocessing_stands_alone(name):
    assert all(module.startswith("skdnn.preprocessing") for module in imported_modules(TREES[name]))


@pytest.mark.parametrize("name", [name for name in PREPROCESSING if component(name)])
def test_preprocessing_imports_go_to_lower_levels(name):
    for target in imported_modules(TREES[name]):
        assert PREPROCESSING_LEVELS[component(target)] < PREPROCESSING_LEVELS[component(name)]


def test_no_circles():
    graph = {name: imported_modules(tree) - {name} for name, tree in TREES.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(TREES)


LOOKED_ON = [name for name in TREES if name.startswith(("skdnn.engine", "skdnn.estimators"))]


@pytest.mark.parametrize("name", LOOKED_ON)
def test_callbacks_look_on_from_outside(name):
    assert not any(t.startswith("skdnn.callback") for t in imported_modules(TREES[name]))


@pytest.mark.parametrize("name", TREES)
def test_private_names_of_sklearn_have_one_place(name):
    if name == PRIVATE_ALLOWED:
        assert private_names(TREES[name])
    else:
        assert not private_names(TREES[name])


MOST_LINES = 40  # of a function's own code


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines the statements take, without docstring and the attributes set first."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    body = [*dropwhile(sets_attribute, body)]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def sets_attribute(statement: ast.stmt) -> bool:
    """Whether this is ``self.name = name``, one of which every hyperparameter has."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Name):
        return False
    return ast.unparse(statement) == f"self.{statement.value.id} = {statement.value.id}"


@pytest.mark.parametrize("name", TREES)
def test_no_function_is_long(name):
    functions = [
        node
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert not {f.name: code_lines(f) for f in functions if code_lines(f) > MOST_LINES}


# Of what goes on in a training; all other dataclasses but layers say what is to be done.
HOLD_STATE = {"BestState", "MovingAverage", "Patience", "Trainer"}


@pytest.mark.parametrize("name", [name for name in ENGINE if component(name) != "kernels"])
def test_specifications_are_frozen(name):
    for kind in vars(import_module(name)).values():
        if is_dataclass(kind) and kind.__module__ == name:
            holds_state = component(name) == "layers" or kind.__name__ in HOLD_STATE
            assert kind.__dataclass_params__.frozen != holds_state, kind


def test_the_readers_of_this_file_see_what_they_should():
    tree = ast.parse("import sklearn._x\nfrom sklearn.utils import _y\nfrom sklearn.base import z")
    assert private_names(tree) == ["sklearn._x", "sklearn.utils._y"]
    tree = ast.parse("def f():\n    from skdnn.engine import kernels\nimport skdnn.engine.losses")
    assert imported_modules(tree) == {"skdnn.engine.kernels", "skdnn.engine.losses"}
    tree = ast.parse("import os.path, numpy.linalg\ndef f():\n    from rich.text import Text")
    assert foreign(tree) == {"numpy", "rich"}
    assert foreign(at_once(tree)) == {"numpy"}
    text = """def f(self, a):
        'What it does.'
        self.a = a

        if a:
            self.g()"""
    (function,) = ast.parse(text).body
    assert code_lines(function) == 2
