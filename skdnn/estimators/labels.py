"""Class labels of every type: which there are, and which one every row has.

A label is a string, a number or a boolean.  The classes of a column of labels are its distinct
labels, sorted; the code of a label is its index among them.  Text and objects are looked up in a
dictionary, which is faster than sorting them; it takes 1, 1.0 and True for the same label, as
Python does.
"""

from collections.abc import Iterable
from itertools import repeat
from numbers import Integral, Number, Real
from typing import Any, NoReturn

import numpy as np
from scipy import sparse
from sklearn.utils import assert_all_finite, column_or_1d, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

BY_DICTIONARY = "OSU"  # kinds of dtype
ORDERED = "biufmM"
MUST_BE = "The labels of a column must be all strings, or all numbers or booleans."


def dense(y: Any) -> np.ndarray:
    """Return y as an array, sparse or not."""
    return y.toarray() if sparse.issparse(y) else y


def one_column(y: Any, warn: bool = True) -> Any:
    """Return a column vector as a vector, with scikit-learn's warning; anything else as it is."""
    return column_or_1d(dense(y), warn=warn) if y.ndim == 2 and y.shape[1] == 1 else y


def check_labels(y: Any) -> None:
    """Refuse numbers that are not whole or not finite, and types that are no labels."""
    numbers = y.data if sparse.issparse(y) else y
    kind = y.dtype.kind
    if kind == "f":
        assert_all_finite(numbers, input_name="y")
        if np.any(numbers != np.rint(numbers)):
            check_classification_targets(y)  # has the words for it
    if kind not in BY_DICTIONARY + ORDERED:
        refuse({y.dtype})


def refuse(types: Iterable[type]) -> NoReturn:
    """Say of what types the labels of a column are, and of which they should be."""
    raise ValueError(f"Unknown label type in y: {_named(types)}. {MUST_BE}")


def _named(types: Iterable[type]) -> str:
    return ", ".join(sorted(getattr(t, "__name__", str(t)) for t in types))


def zeros_and_ones(y: Any) -> bool:
    """Whether all there is in y are the numbers 0 and 1, or False and True."""
    y = y.data if sparse.issparse(y) else y
    if y.dtype == object:
        return unique_objects(y.ravel()) <= {0, 1}
    return y.dtype.kind in "biuf" and bool(np.all((y == 0) | (y == 1)))


def unique_objects(column: np.ndarray) -> set[Any]:
    """Return the set of the labels of a column."""
    labels = column.tolist()
    try:
        return set(labels)
    except TypeError:  # a list, for example, cannot be hashed
        refuse(set(map(type, labels)))


def distinct(column: np.ndarray) -> np.ndarray:
    """Return the sorted distinct labels of a column; numbers have the dtype of numbers."""
    if column.dtype.kind not in BY_DICTIONARY:
        return np.unique(column)
    labels = unique_objects(column)
    types = set(map(type, labels))
    if all(is_number(t) for t in types):
        classes = as_plain(np.array(sorted(labels), dtype=object))
        check_labels(classes)
        return classes
    if all(issubclass(t, str) for t in types) or all(issubclass(t, bytes) for t in types):
        return np.array(sorted(labels), dtype=column.dtype)
    if not all(issubclass(t, str) or is_number(t) for t in types):
        refuse(types)
    try:
        return np.unique(column)  # raises the TypeError that scikit-learn's estimators raise
    except TypeError as error:
        error.add_note(f"y has labels of the types {_named(types)}. {MUST_BE}")
        raise


def as_text(classes: np.ndarray) -> np.ndarray:
    """Return objects that are all strings as an array of text; anything else as it is.

    Strings that numpy's text would cut, at a closing NUL, stay objects.
    """
    labels = classes.tolist()
    if classes.dtype != object or not all(isinstance(label, str) for label in labels):
        return classes
    text = np.array(labels)
    return text if text.tolist() == labels else classes


def is_number(t: type) -> bool:
    """Whether a type is one of numbers, booleans among them, and not of times."""
    return issubclass(t, Number | np.bool_) and not issubclass(t, np.timedelta64)


def as_plain(y: Any) -> Any:
    """Return objects that are numbers as an array of such; anything else as it is.

    If a whole number would be rounded, because it has more than 64 bits or stands beside fractions
    and is no double, all of them stay objects.
    """
    if y.dtype != object:
        return y
    values = y.ravel().tolist()
    if not all(is_number(t) for t in set(map(type, values))):
        return y
    for dtype in (None, np.float64):
        numbers = _array(values, dtype)
        if numbers.dtype != object and numbers.tolist() == values:
            return numbers.reshape(y.shape)
    rounds = any(isinstance(value, Integral) and not is_double(value) for value in values)
    numbers = _array(values, np.float64)
    return y if rounds or numbers.dtype == object else numbers.reshape(y.shape)


def is_double(value: Any) -> bool:
    """Whether a whole number can be a double without being rounded."""
    try:
        return float(value) == value
    except OverflowError:
        return False


def _array(values: list[Any], dtype: Any) -> np.ndarray:
    try:
        return np.array(values, dtype=dtype)
    except OverflowError:
        return np.array(values, dtype=object)


def distinct_named(classes: Any) -> np.ndarray:
    """Return the sorted distinct labels of a list of them."""
    labels = np.asarray(list(classes)).ravel()
    if labels.dtype.kind == "f":
        assert_all_finite(labels, input_name="classes")
    check_labels(labels)
    return distinct(labels)


def find_codes(column: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the index in `classes` of every label of a column, -1 for one that is not there."""
    kind = column.dtype.kind
    if kind == classes.dtype.kind and kind not in BY_DICTIONARY:
        codes = np.searchsorted(classes, column)
        codes[codes == len(classes)] = 0
        codes[classes[codes] != column] = -1
        return codes
    index, labels = {label: code for code, label in enumerate(classes.tolist())}, column.tolist()
    try:
        return np.fromiter(map(index.get, labels, repeat(-1)), np.intp, len(labels))
    except TypeError:  # a list, for example, cannot be hashed
        refuse(set(map(type, labels)))


def encode(column: np.ndarray, classes: np.ndarray, strict: bool = True) -> np.ndarray:
    """Return the codes of a column, or say which labels are unknown; -1 if not `strict`."""
    if column.ndim != 1:
        raise ValueError(f"`y` must be one column of labels. Got shape {column.shape}.")
    codes = find_codes(column, classes)
    if strict and np.any(codes < 0):
        unknown = list(dict.fromkeys(column[codes < 0].tolist()))
        raise ValueError(
            "`y` has classes not in `self.classes_`. "
            f"`self.classes_` has {classes}. 'y' has {unknown[:10]}."
        )
    return codes


# Weights of classes ---------------------------------------------------------------------------


def weights_of_classes(
    class_weight: Any, classes: np.ndarray, codes: np.ndarray, weight: np.ndarray | None
) -> np.ndarray:
    """Return the weight of every class; a class that "balanced" does not see keeps weight 1."""
    if not isinstance(class_weight, str):
        if not isinstance(class_weight, dict):
            raise ValueError(f"class_weight of one output must be a dict. Got {class_weight!r}.")
        if not all(isinstance(w, Real) for w in class_weight.values()):
            raise ValueError(f"class_weight must be numbers. Got {class_weight}.")
        if not all(np.isfinite(w) and w >= 0 for w in class_weight.values()):
            raise ValueError(f"class_weight must be finite and not negative. Got {class_weight}.")
        return weights_by_label(class_weight, classes)
    weights, seen = np.ones(len(classes)), np.unique(codes)
    weights[seen] = compute_class_weight(class_weight, classes=seen, y=codes, sample_weight=weight)
    return weights


def weights_by_label(class_weight: dict[Any, float], classes: np.ndarray) -> np.ndarray:
    """Return the weights that a dictionary gives, by scikit-learn's rule of what it must name.

    Its `compute_class_weight` takes the string "1" for the number 1.
    """
    unnamed = [label for label in classes if label not in class_weight]
    if unnamed and len(classes) - len(unnamed) != len(class_weight):
        raise ValueError(f"The classes, {np.array(unnamed).tolist()}, are not in class_weight")
    return np.array([class_weight.get(label, 1.0) for label in classes], dtype=np.float64)


def weights_by_column(
    class_weight: Any, classes: list[np.ndarray], codes: np.ndarray, weight: np.ndarray | None
) -> list[np.ndarray]:
    """Return the weights of the classes of every column of codes."""
    if class_weight != "balanced" and not (
        isinstance(class_weight, list) and len(class_weight) == len(classes)
    ):
        raise ValueError(
            "For several outputs class_weight must be 'balanced' or a list of dicts, one an output."
        )
    each = [class_weight] * len(classes) if isinstance(class_weight, str) else class_weight
    return [
        weights_of_classes(w, c, codes_j, weight)
        for w, c, codes_j in zip(each, classes, codes.T, strict=True)
    ]
