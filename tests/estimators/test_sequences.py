"""Sequences of calls drawn at random: nothing changes that should not.

Two estimators that are copies of each other go through the same calls, and are the same bit for bit
after each of them.
"""

import copy
import pickle
import warnings
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sequence_cases import (
    KINDS,
    WEIGHT,
    WRONG,
    Kind,
    N,
    Trap,
    TrapError,
    other_targets,
    settings_of,
    with_parameter,
    with_trap,
)
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

SEQUENCES, CALLS = 8, 12

# What is as it was ------------------------------------------------------------------------------


def frozen(thing):
    """Return an image of a state to compare: every number bit for bit, but for the seconds."""
    if isinstance(thing, np.ndarray):
        return thing.dtype.str, thing.shape, thing.tobytes()
    if isinstance(thing, dict):
        return {key: frozen(value) for key, value in thing.items() if key != "seconds"}
    if isinstance(thing, list | tuple):
        return [frozen(value) for value in thing]
    if isinstance(thing, np.random.Generator):
        return frozen(thing.bit_generator.state)
    if isinstance(thing, float):
        return float(thing).hex()
    return thing


def look(net, kind):
    """Return all there is to see of an estimator, and to copy."""
    seen = {"state": net.__getstate__()}
    if is_fitted(net):
        names = ["coefs_", "intercepts_", "loss_curve_", "n_iter_", "t_", "best_loss_", "loss_"]
        seen |= {name: getattr(net, name) for name in names}
        seen["predictions"] = net.predict(kind.inputs)
        seen["score"] = net.score(kind.inputs, kind.y)
    return frozen(seen)


def is_fitted(net):
    try:
        check_is_fitted(net)
    except NotFittedError:
        assert not hasattr(net, "coefs_") and not hasattr(net, "n_iter_")
        return False
    return True


@contextmanager
def refusals_noted(errors):
    """Note an error that says that a parameter was set with which a network cannot go on."""
    try:
        yield
    except ValueError as error:
        if "can only be trained further" not in str(error):
            raise
        errors.append(error)


# Calls ------------------------------------------------------------------------------------------


@dataclass
class Play:
    """An estimator and its twin, and the calls that they go through."""

    kind: Kind
    rng: np.random.Generator

    def __post_init__(self):
        self.nets = [self.kind.made(), self.kind.made()]
        self.log = []

    def one_of(self, values):
        return values[self.rng.integers(len(values))]

    def call(self):
        """Draw a call and make it."""
        calls = [
            *3 * [self.fit], *3 * [self.partial_fit], self.set, self.set_warm_start, self.copy,
            self.copy, self.use_shallow_copy, self.use_clone, self.predict, self.write, self.write,
            self.write_nonsense, self.fail, self.fail, *3 * [self.fail_within],
        ]  # fmt: skip
        call = self.one_of(calls)
        self.log.append(call.__name__)
        parameters = [net.get_params() for net in self.nets]
        call()
        if call not in (self.set, self.set_warm_start, self.copy):
            for net, before in zip(self.nets, parameters, strict=True):
                after = net.get_params()
                assert all(after[name] is value for name, value in before.items())
        assert look(self.nets[0], self.kind) == look(self.nets[1], self.kind)

    def data(self):
        """Draw rows, and weights or none."""
        rows = self.rng.permutation(N)[: self.one_of([N, N, 24])]
        weight = {"sample_weight": WEIGHT[rows]} if self.rng.random() < 0.3 else {}
        return self.kind.inputs[rows], self.kind.y[rows], weight

    def learned(self, method, X, y, options):
        """Call a method of both, which must leave alone what it is given.

        After a change of mind it may refuse, and then leaves the estimator alone too.
        """
        given, errors = frozen(parts(X, y, options)), []
        for net in self.nets:
            first = method == "partial_fit" and is_classifier(net) and not is_fitted(net)
            names, before = {"classes": self.names()} if first else {}, look(net, self.kind)
            with refusals_noted(errors):
                assert getattr(net, method)(X, y, **options, **names) is net
            assert len(errors) == 0 or look(net, self.kind) == before
            assert frozen(parts(X, y, options)) == given
        assert len(errors) in (0, 2)

    def names(self):
        y = self.kind.y
        return np.arange(y.shape[1]) if y.ndim == 2 else np.unique(y)

    def fit(self):
        self.learned("fit", *self.data())

    def methods(self):
        """The methods by which it learns."""
        return ["fit", "partial_fit"] if self.kind.learns_bit_by_bit else ["fit"]

    def partial_fit(self):
        if self.kind.learns_bit_by_bit:
            self.learned("partial_fit", *self.data())

    def set(self):
        name, value = self.one_of(settings_of(self.nets[0]))
        self.log.append((name, value))
        self.unchanged(lambda net: net.set_params(**{name: value}), but={name})
        assert all(net.get_params()[name] == value for net in self.nets)

    def set_warm_start(self):
        value = bool(self.rng.integers(2))
        self.unchanged(lambda net: net.set_params(warm_start=value), but={"warm_start"})

    def copy(self):
        how = self.one_of(["pickle", "pickle 4", "deepcopy"])
        self.log.append(how)
        copied = {
            "pickle": lambda net: pickle.loads(pickle.dumps(net)),
            "pickle 4": lambda net: pickle.loads(pickle.dumps(net, protocol=4)),
            "deepcopy": copy.deepcopy,
        }[how]
        net = self.one_of(self.nets)
        self.unchanged(copied)
        self.nets = [net, copied(net)]

    def use_shallow_copy(self):
        def use(net):
            other = copy.copy(net)
            assert look(other, self.kind) == look(net, self.kind)
            with refusals_noted([]):
                other.fit(self.kind.inputs[::-1], self.kind.y[::-1])

        self.unchanged(use)

    def use_clone(self):
        def use(net):
            other = clone(net)
            assert not is_fitted(other) and other.get_params() == net.get_params()
            other.fit(self.kind.inputs, self.kind.y)

        self.unchanged(use)

    def predict(self):
        def use(net):
            if not is_fitted(net):
                with pytest.raises(NotFittedError):
                    net.predict(self.kind.inputs)
                return
            X, names = self.kind.inputs[:7], ["predict", "decision_function", "predict_proba"]
            given = frozen(parts(X))
            for name in filter(lambda name: hasattr(net, name), names):
                first, second = getattr(net, name)(X), getattr(net, name)(X)
                assert_array_equal(first, second)
                first[...] = first[:1]  # it is the caller's
            assert frozen(parts(X)) == given
            repr(net), net.coefs_, net.get_params()

        self.unchanged(use)

    def write(self):
        if not is_fitted(self.nets[0]):
            return
        how, scale = self.one_of(["whole", "layer", "in place"]), self.rng.normal()
        self.log.append(how)
        for net in self.nets:
            coefs = [W * scale for W in net.coefs_]
            if how == "whole":
                net.coefs_ = coefs
            elif how == "layer":
                net.coefs_[-1] = coefs[-1]
            else:
                net.coefs_[-1][...] = coefs[-1]
            assert_array_equal(net.coefs_[-1], coefs[-1].astype(net.coefs_[-1].dtype))

    def write_nonsense(self):
        if is_fitted(self.nets[0]):
            shape = self.nets[0].coefs_[0].shape
            W = self.one_of([np.zeros((9, 9)), np.full(shape, np.nan), "text"])
            self.refused(lambda net: net.coefs_.__setitem__(0, W))

    def fail(self):
        """A call with data or parameters that are wrong."""
        method, (X, y, _) = self.one_of(self.methods()), self.data()
        name, value = self.one_of(WRONG)
        bad, net = X.copy(), self.nets[0]
        (bad.data if sparse.issparse(bad) else bad)[-1:] = np.nan
        wrong = {
            "NaN in X": lambda net: getattr(net, method)(bad, y),
            "no y": lambda net: getattr(net, method)(X, None),
            "y too short": lambda net: getattr(net, method)(X, y[:-1]),
            "negative weight": lambda net: getattr(net, method)(X, y, -np.ones(len(y))),
            "weight zero": lambda net: getattr(net, method)(X, y, np.zeros(len(y))),
            "no such parameter": lambda net: net.set_params(no_such_parameter=1),
            name: lambda net: with_parameter(net, name, value, method, X, y),
            "X_val alone": lambda net: net.fit(X, y, X_val=X),
            "y_val of nonsense": lambda net: net.fit(X, y, X_val=X, y_val=[object()] * len(y)),
        }
        if is_fitted(net) and (net.warm_start or method == "partial_fit"):
            wrong["other columns"] = lambda net: getattr(net, method)(X[:, :2], y)
            wrong["other targets"] = lambda net: getattr(net, method)(X, other_targets(y))
        what = self.one_of(list(wrong))
        self.log.append((what, method))
        self.refused(wrong[what])

    def fail_within(self):
        """An error, or Ctrl-C, in the midst of it."""
        error, (X, y, _) = self.one_of([TrapError, KeyboardInterrupt, MemoryError]), self.data()
        net, method, k = self.nets[0], self.one_of(self.methods()), int(self.rng.integers(2, 9))
        lbfgs, scores = net.solver == "lbfgs", net.early_stopping
        where = "scoring" if scores and (lbfgs or k % 2) else "learning_rate"
        where = "callback" if method == "fit" and k > 5 else where
        if lbfgs and where == "learning_rate":
            return
        self.log.append((where, error, k, method))
        for net in self.nets:
            before, fitted = look(net, self.kind), is_fitted(net)
            first = method == "partial_fit" and is_classifier(net) and not fitted
            names = {"classes": self.names()} if first else {}
            try:
                with refusals_noted([]):
                    with_trap(net, where, Trap(k, error), method, X, y, **names)
            except error:
                if error is not KeyboardInterrupt or method == "partial_fit":
                    assert look(net, self.kind) == before
                assert is_fitted(net) or not fitted

    def unchanged(self, use, but=frozenset()):
        """Do something that changes nothing of either, but for some parameters."""
        for net in self.nets:
            before = look(net, self.kind)
            use(net)
            after = look(net, self.kind)
            for seen in (before, after):
                seen["state"] = {k: v for k, v in seen["state"].items() if k not in but}
            assert after == before

    def refused(self, call):
        """Do something that is an error and leaves all as it was."""

        def use(net):
            with pytest.raises((ValueError, TypeError)):
                call(net)

        self.unchanged(use)


def parts(*things):
    """Return the numbers of things that may be sparse."""
    return [[t.data, t.indices, t.indptr] if sparse.issparse(t) else t for t in things]


def play(kind, seed):
    sequence = Play(KINDS[kind], np.random.default_rng([list(KINDS).index(kind), seed]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # and what is derived of it
        try:
            for _ in range(CALLS):
                sequence.call()
        except BaseException as error:
            error.add_note(f"{kind}, seed {seed}: {sequence.log}")
            raise


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_changes_nothing_that_it_should_not(kind):
    for seed in range(SEQUENCES):
        play(kind, seed)
