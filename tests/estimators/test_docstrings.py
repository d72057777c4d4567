"""The docstrings of both estimators list the same hyperparameters in the same words."""

import inspect
import re

import numpy as np
import pytest

from skdnn import MLPClassifier, MLPRegressor

# What each means for labels, and for numbers, is said in words of their own.
OWN_WORDS = {"loss", "tol", "validation_fraction", "scoring"}


def entries(cls):
    """Return what the section "Parameters" says of every name."""
    doc = inspect.cleandoc(cls.__doc__)
    section = doc[doc.index("Parameters\n----------\n") : doc.index("\nAttributes\n----------")]
    found = {}
    for entry in re.split(r"^(?=\w[\w, ]* : )", section, flags=re.MULTILINE)[1:]:
        names, text = entry.split(" : ", 1)
        found |= dict.fromkeys(names.split(", "), text.strip())
    return found


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_every_hyperparameter_has_an_entry(cls):
    assert entries(cls).keys() == inspect.signature(cls).parameters.keys()


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_entries_name_the_default(cls):
    for name, parameter in inspect.signature(cls).parameters.items():
        shown = parameter.default
        shown = (
            f'"{shown}"'
            if isinstance(shown, str)
            else f"{shown:g}"
            if is_number(shown)
            else f"{shown}"
        )
        first_line = entries(cls)[name].splitlines()[0]
        said = re.search(r"default=(.*)$", first_line).group(1)  # of some entries for two names
        assert shown in [f"{float(s):g}" if is_number(s) else s for s in said.split(" and ")], name


def is_number(value):
    """Whether a value, or how it is written, is a number."""
    try:
        return not isinstance(value, bool) and bool(np.isfinite(float(value)))
    except (TypeError, ValueError):
        return False


def test_entries_of_equal_names_are_equal():
    classifier, regressor = entries(MLPClassifier), entries(MLPRegressor)
    different = {
        name for name in classifier.keys() & regressor if classifier[name] != regressor[name]
    }
    assert different == OWN_WORDS
