"""What the tests of the search share: an estimator whose score is known, and how it is searched."""

import numpy as np
from scipy.stats import loguniform, randint
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification

from skdnn.model_selection import CoarseToFineSearchCV

X, Y = make_classification(60, 4, random_state=0)


class Hill(ClassifierMixin, BaseEstimator):
    """Learns nothing: its score is 0 at ``rate=1e-2`` and ``units=30``, below it elsewhere."""

    def __init__(self, rate=1.0, units=1, kind="a", action=None):
        self.rate, self.units, self.kind, self.action = rate, units, kind, action

    def fit(self, X, y, sample_weight=None):
        if self.action is not None:
            self.action(self)
        self.classes_, self.n_features_in_ = np.unique(y), X.shape[1]
        return self

    def predict(self, X):
        return np.zeros(len(X), int)

    def score(self, X, y, sample_weight=None):
        penalty = {"a": 0.0, "b": 0.5, "c": 3.0}[self.kind]
        return -(np.log10(self.rate / 1e-2) ** 2) - ((self.units - 30) / 50) ** 2 - penalty


SPACE = {"rate": loguniform(1e-6, 1e2), "units": randint(1, 101), "kind": ["a", "b", "c"]}


def search_for(estimator=None, space=None, **parameters):
    estimator = Hill() if estimator is None else estimator
    defaults = {"cv": 2, "random_state": 0}
    return CoarseToFineSearchCV(estimator, space or SPACE, **defaults | parameters)


def scores(search):
    return search.cv_results_["mean_test_score"]
