"""The private names of scikit-learn that the package uses exist, and take what it gives them.

Nothing here imports skdnn, so that with ``--noconftest`` a report names everything that a new
scikit-learn has removed, rather than the first import that fails.
"""

import ast
import inspect
import pkgutil
from pathlib import Path

import pytest
import sklearn

PATH = Path(__file__).parents[1] / "skdnn" / "estimators" / "_sklearn.py"
TREE = ast.parse(PATH.read_text("utf-8"))
NAMES = [
    f"{node.module}:{alias.name}"
    for node in TREE.body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
]
ATTRIBUTES = next(
    ast.literal_eval(node.value)
    for node in TREE.body
    if isinstance(node, ast.Assign) and node.targets[0].id == "CALLBACK_ATTRIBUTES"
)
# The arguments with which the package calls them.
CALLS = {
    "_fit_context": ([], {"prefer_skip_nested_validation": True}),
    "get_context_path": (["context"], {}),
    "open_listener": (["put"], {}),
    "send": (["handle", "message"], {}),
    "_safe_indexing": (["X", "rows"], {}),
    "_check_sample_weight": (["weight", "X"], {"dtype": float, "ensure_non_negative": True}),
    "_get_feature_names": (["X"], {}),
    "RichProgressMonitor": ([], {"queue": "queue"}),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_name_exists(name):
    pkgutil.resolve_name(name)


@pytest.mark.parametrize("name", CALLS)
def test_it_takes_what_the_package_gives_it(name):
    (path,) = [path for path in NAMES if path.endswith(f":{name}")]
    args, kwargs = CALLS[name]
    inspect.signature(pkgutil.resolve_name(path)).bind(*args, **kwargs)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_the_attribute_is_one_of_callbacks(attribute):
    modules = (Path(sklearn.__file__).parent / "callback").glob("*.py")
    assert any(attribute in module.read_text("utf-8") for module in modules)
