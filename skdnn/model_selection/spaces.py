"""Search spaces: distributions of the hyperparameters of a network."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from scipy.stats import loguniform, uniform
from sklearn.base import clone

from skdnn.engine.arrays import Array
from skdnn.estimators.base import BaseMLP
from skdnn.estimators.checks import check_combination, complaint, idle
from skdnn.model_selection.shrinking import Space


@dataclass(frozen=True)
class layers:  # noqa: N801 - named as scipy names its distributions
    """A distribution of `hidden_layer_sizes` in which all layers have the same width.

    The depth is uniform over the integers.  The width is uniform in its logarithm, and rounded.
    Depth and width are independent.

    All layers have the same width for two reasons.  In a large comparison (Larochelle et al., 2009)
    this was as good as widths that decrease or increase, or better.  It also leaves only two
    numbers to search, whatever the depth.

    Parameters
    ----------
    depth : tuple of int, default=(1, 4)
        Smallest and largest number of hidden layers.
    width : tuple of int, default=(16, 512)
        Smallest and largest number of units in a layer.

    Raises
    ------
    ValueError
        If a range is not two integers of at least 1, the smaller one first.

    References
    ----------
    H. Larochelle, Y. Bengio, J. Louradour and P. Lamblin (2009), "Exploring strategies for training
    deep neural networks".  The comparison of widths is reported in Y. Bengio (2012), "Practical
    recommendations for gradient-based training of deep architectures".

    Examples
    --------
    >>> from skdnn.model_selection import layers
    >>> layers(depth=(1, 3), width=(8, 64)).rvs(size=4, random_state=0)
    [(35, 35), (25, 25), (31, 31), (51, 51)]
    """

    depth: tuple[int, int] = (1, 4)
    width: tuple[int, int] = (16, 512)

    def __post_init__(self) -> None:
        for name, limits in vars(self).items():
            if not (
                isinstance(limits, tuple | list)
                and len(limits) == 2
                and all(isinstance(limit, Integral) for limit in limits)
                and 1 <= limits[0] <= limits[1]
            ):
                raise ValueError(
                    f"{name} must be two integers of at least 1, the smaller one first. "
                    f"Got {limits!r} instead."
                )

    def rvs(
        self, size: int | None = None, random_state: int | np.random.RandomState | None = None
    ) -> Any:
        """Draw sizes of layers: a tuple of int, or a list of `size` such tuples."""
        shape = (2,) if size is None else (size, 2)
        return self.ppf(uniform.rvs(size=shape, random_state=random_state))

    def ppf(self, u: Any) -> Any:
        """Return the sizes at the quantiles u of depth and width, of shape (2,) or (size, 2)."""
        if np.ndim(u) == 2:
            return [self.ppf(row) for row in u]
        fewest, most = self.depth
        depth = min(fewest + int(u[0] * (most - fewest + 1)), most)
        narrow, wide = self.width
        return (round(narrow * (wide / narrow) ** u[1]),) * depth

    def cdf(self, sizes: tuple[int, ...]) -> Array:
        """Return the quantiles of the depth and of the width.

        A depth has a range of quantiles, and the middle of the range is returned.
        """
        fewest, most = self.depth
        depth = (len(sizes) - fewest + 0.5) / (most - fewest + 1)
        narrow, wide = self.width
        width = np.log(sizes[0] / narrow) / np.log(wide / narrow) if wide > narrow else 0.5
        return np.array([depth, width])


# Every hyperparameter with the smallest space that has it, and its values.  A value must not
# contradict a value of another hyperparameter or leave it without effect: see `check_combination`.
SPACE_SIZES = ("small", "medium", "large")
SPACE: dict[str, tuple[str, Any]] = {
    "learning_rate_init": ("small", loguniform(1e-4, 1e-1)),
    "hidden_layer_sizes": ("small", layers()),
    "batch_size": ("small", [32, 64, "auto"]),
    "alpha": ("small", loguniform(1e-5, 1.0)),
    "dropout": ("medium", uniform(0.0, 0.5)),
    "batch_norm": ("medium", [False, True]),
    "activation": ("medium", ["relu", "silu", "tanh"]),
    "learning_rate": ("medium", ["constant", "cosine", "one_cycle"]),
    "weight_decay": ("large", loguniform(1e-4, 1.0)),
    "solver": ("large", ["adam", "nadam", "rmsprop"]),
    "init": ("large", ["he_normal", "glorot_uniform", "orthogonal"]),
}


def search_space(estimator: Any, *, size: str = "small") -> Space:
    """Return lists and distributions of a network's hyperparameters, for a random search.

    They are the ``param_distributions`` of `RandomizedSearchCV`, `HalvingRandomSearchCV` or
    `CoarseToFineSearchCV`.

    Parameters
    ----------
    estimator : estimator
        An `MLPClassifier` or `MLPRegressor`, or a pipeline or other meta-estimator that contains
        one.  The names in the result have the prefixes that the meta-estimator needs.
    size : {"small", "medium", "large"}, default="small"
        How many hyperparameters to search: 4, 8 or 11.

    Returns
    -------
    dict of str to distribution or list
        The ``param_distributions``.  They depend on the parameters that the network has.  Values
        that would contradict these, or have no effect beside them, are left out: most values with
        "lbfgs", and "one_cycle" with a `warmup`.  The solver is searched only if the network's
        solver is in the table below.

    Raises
    ------
    TypeError
        If `estimator` is not an estimator.
    ValueError
        If `estimator` contains no network, or several, or if `size` is none of the three.

    Notes
    -----
    The search is random because only a few hyperparameters matter, and which ones depends on the
    data (Bergstra and Bengio, 2012).  The ranges are meant for standardised inputs.

    In the table, "size" is the smallest space that has the hyperparameter.  "log" marks a positive
    number of unknown order of magnitude.  It is drawn uniformly in its logarithm, as
    ``10 ** uniform`` (Bengio, 2012).

    ==================  ======  ======================  =========================================
    hyperparameter      size    values                  why
    ==================  ======  ======================  =========================================
    learning_rate_init  small   1e-4 to 1e-1, log       often the most important one (Bengio,
                                                        2012); around Adam's 0.001 (Kingma and
                                                        Ba, 2015), and larger for short trainings
    hidden_layer_sizes  small   1 to 4 layers of        see `layers`; more units than needed do
                                16 to 512 units, log    not hurt much (Bengio, 2012)
    batch_size          small   32, 64, "auto" (200)    32 is a good default (Bengio, 2012)
    alpha               small   1e-5 to 1, log          from weak to strong; it is divided by the
                                                        number of rows in the batch
    dropout             medium  0 to 0.5                0.5 is close to the best for hidden units
                                                        of many networks (Srivastava et al., 2014)
    batch_norm          medium  no, yes                 allows larger learning rates (Ioffe and
                                                        Szegedy, 2015)
    activation          medium  "relu", "silu", "tanh"  one with a kink, one smooth, one that
                                                        saturates
    learning_rate       medium  "constant", "cosine",   annealed (Loshchilov and Hutter, 2017), or
                                "one_cycle"             with a rise to large rates (Smith, 2018)
    weight_decay        large   1e-4 to 1, log          its best value depends less on the learning
                                                        rate than the best alpha does (Loshchilov
                                                        and Hutter, 2019)
    solver              large   "adam", "nadam",        similar, so that one range of learning
                                "rmsprop"               rates is enough
    init                large   "he_normal",            for ReLU and its family (He et al., 2015),
                                "glorot_uniform",       for units that saturate (Glorot and Bengio,
                                "orthogonal"            2010), orthogonal (Saxe et al., 2014)
    ==================  ======  ======================  =========================================

    References
    ----------
    - Y. Bengio (2012), "Practical recommendations for gradient-based training of deep
      architectures".
    - J. Bergstra and Y. Bengio (2012), "Random search for hyper-parameter optimization".
    - X. Glorot and Y. Bengio (2010), "Understanding the difficulty of training deep feedforward
      neural networks".
    - K. He, X. Zhang, S. Ren and J. Sun (2015), "Delving deep into rectifiers".
    - S. Ioffe and C. Szegedy (2015), "Batch normalization".
    - D. P. Kingma and J. Ba (2015), "Adam: a method for stochastic optimization".
    - I. Loshchilov and F. Hutter (2017), "SGDR: stochastic gradient descent with warm restarts".
    - I. Loshchilov and F. Hutter (2019), "Decoupled weight decay regularization".
    - A. M. Saxe, J. L. McClelland and S. Ganguli (2014), "Exact solutions to the nonlinear dynamics
      of learning in deep linear neural networks".
    - L. N. Smith (2018), "A disciplined approach to neural network hyper-parameters".
    - N. Srivastava et al. (2014), "Dropout: a simple way to prevent neural networks from
      overfitting".

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdnn import MLPClassifier
    >>> from skdnn.model_selection import search_space
    >>> for name in search_space(make_pipeline(StandardScaler(), MLPClassifier())):
    ...     print(name)
    mlpclassifier__learning_rate_init
    mlpclassifier__hidden_layer_sizes
    mlpclassifier__batch_size
    mlpclassifier__alpha
    """
    if size not in SPACE_SIZES:
        raise ValueError(f"size must be one of {SPACE_SIZES}. Got {size!r} instead.")
    prefix, network = find_network(estimator)
    sizes = SPACE_SIZES[: SPACE_SIZES.index(size) + 1]
    space = {name: values for name, (level, values) in SPACE.items() if level in sizes}
    if network.solver not in SPACE["solver"][1]:
        space.pop("solver", None)
    return {prefix + name: kept for name, kept in compatible(network, space).items()}


def find_network(estimator: Any) -> tuple[str, BaseMLP]:
    """Return the prefix of the parameters of the one network in an estimator, and the network."""
    if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        raise TypeError(
            f"estimator must be an instance of an estimator. Got {estimator!r} instead."
        )
    parts = {"": estimator, **estimator.get_params(deep=True)}
    parts = {name: part for name, part in parts.items() if hasattr(part, "fit")}
    networks = [name for name, part in parts.items() if isinstance(part, BaseMLP)]
    if len(networks) != 1:
        found = [f"{name} ({type(part).__name__})" for name, part in parts.items() if name]
        raise ValueError(
            "estimator must contain exactly one MLPClassifier or MLPRegressor of skdnn. "
            f"{type(estimator).__name__} has {len(networks)}; its parts are {found}."
        )
    (name,) = networks
    return f"{name}__" if name else "", parts[name]


def compatible(network: BaseMLP, space: Space) -> Space:
    """Return the part of a space that is compatible with the parameters that a network has."""
    before = complaints(network)

    def fits(name: str, value: object) -> bool:
        return complaints(clone(network).set_params(**{name: value})) <= before

    kept = {}
    for name, values in space.items():
        if isinstance(values, list):
            values = [value for value in values if fits(name, value)]
            if len(values) > 1:
                kept[name] = values
        elif all(fits(name, value) for value in values.rvs(size=20, random_state=0)):
            kept[name] = values
    return kept


def complaints(network: BaseMLP) -> set[str]:
    """Return the errors and warnings of `fit` about a combination of hyperparameters."""
    try:
        check_combination(network)
    except ValueError as error:
        return {str(error)}
    return {complaint(*found) for found in idle(network, has_validation_data=False)}
