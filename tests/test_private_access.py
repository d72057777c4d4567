"""Who reads private attributes of whom, and who gets a whole estimator."""

import ast

import pytest
from test_architecture import TREES

ESTIMATORS = {
    f"skdnn.estimators.{name}" for name in ("base", "tasks", "fitted", "classifier", "regressor")
}

# (module, attribute read): why no public name will do
ALLOWED = {
    ("skdnn.callback.checkpoint", "_run"): "a checkpoint holds the run, so that it can be resumed",
    ("skdnn.callback.checkpoint", "_as_fitted"): "and the attributes as if fit had stopped",
    ("skdnn.callback.progress", "_run"): "the numbers of an epoch stand in the run's history",
    ("skdnn.estimators.callbacks", "_init_callback_context"): "scikit-learn's protocol",
    ("skdnn.estimators.checks", "_validate_params"): "scikit-learn's validation",
    ("skdnn.inspection.gradient_flow", "_validate_params"): "gradients are those of the first step",
    ("skdnn.inspection.gradient_flow", "_start"): "of fit, which is the one to get that far",
    ("skdnn.inspection.gradient_flow", "_batches"): "and over the rows that it would train on",
    ("skdnn.model_selection.coarse_to_fine", "_parameter_constraints"): "scikit-learn's validation",
}


def private_reads(tree):
    """Return the private attributes that are read of anything but self, cls and super()."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls", "other"))
        and not (isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "super")
    }


def test_private_attributes_are_read_by_a_few_and_for_a_reason():
    found = {
        (name, attribute)
        for name, tree in TREES.items()
        if name not in ESTIMATORS
        for attribute in private_reads(tree)
    }
    assert found == set(ALLOWED)


def test_few_functions_are_given_a_whole_estimator():
    given = [
        f"{name}.{node.name}"
        for name, tree in TREES.items()
        if name.startswith("skdnn.estimators")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and "estimator" in {a.arg for a in [*node.args.args, *node.args.kwonlyargs]}
    ]
    assert 0 < len(given) <= 10, given


@pytest.mark.parametrize("name", ["run", "calls", "monitoring", "plan"])
def test_what_runs_knows_no_estimator(name):
    names = [n.id for n in ast.walk(TREES[f"skdnn.estimators.{name}"]) if isinstance(n, ast.Name)]
    assert "estimator" not in names
    assert "BaseMLP" not in names


def test_the_readers_of_this_file_see_what_they_should():
    tree = ast.parse("a._x; self._y; other._z; super()._w; f(b)._v; c.__d__")
    assert private_reads(tree) == {"_x", "_v"}
