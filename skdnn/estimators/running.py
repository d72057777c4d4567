"""The epochs of a call of ``fit`` or ``partial_fit``, and how they end.

`run` lets the engine descend, and `conclude` mends what went wrong and warns of it.
"""

import math
import warnings

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skdnn.engine.batches import Batches
from skdnn.engine.schedules import anneals
from skdnn.engine.stopping import Outcome, divergence_epoch
from skdnn.engine.training import Listener, Trainer, descend, descend_lbfgs
from skdnn.estimators.course import Course

RAN_OFF = "Training ran off: predictions are off by orders of magnitude, or infinite"


def run(estimator, course: Course, batches: Batches, listener: Listener, incremental: bool) -> None:
    """Run the epochs of a call, or of what is left of it, and warn of what the user should know.

    An incremental call is one epoch: of a `fit` that was cut short if it had one left.
    """
    n_epochs = course.epochs_left(estimator.max_iter)
    left = n_epochs - 1 if incremental and course.running else 0
    if not course.running or (incremental and n_epochs == 0):
        course.begin_call()
    course.outcome, message = _descend(
        estimator, course.trainer, batches, 1 if incremental else n_epochs, listener
    )
    ended = not (incremental and course.outcome is Outcome.MAX_EPOCHS)  # one is all it wanted
    if ended:
        conclude(estimator, course, message, batches)
    if ended or left <= 0:
        course.initial_values = None


def _descend(estimator, trainer: Trainer, batches: Batches, n_epochs: int, listener: Listener):
    """Return why the epochs ended, and what L-BFGS says of it."""
    if n_epochs == 0:
        none_left = f"max_iter={estimator.max_iter} leaves none to run"
        return Outcome.MAX_EPOCHS, none_left if estimator.solver == "lbfgs" else None
    if estimator.solver != "lbfgs":
        return descend(trainer, batches, n_epochs, listener), None
    options = {"maxiter": n_epochs, "maxfun": estimator.max_fun, "gtol": estimator.tol}
    # Outliers may be nearly all of the value of a robust loss, so shares of it say little.
    robust = trainer.loss.standardised_by == "quartiles"
    options["ftol"] = smallest_fall(0.0 if robust else estimator.tol)
    return descend_lbfgs(trainer, batches, options, listener)


def smallest_fall(tol: float) -> float:
    """Return the relative fall of the loss that ends L-BFGS: scipy's, less for a smaller tol."""
    eps = np.finfo(float).eps
    return max(1e7 * eps * min(tol / 1e-4, 1.0), 64 * eps)


def conclude(estimator, course: Course, message: str | None, batches: Batches) -> None:
    """Mend a training that went wrong, and warn of what the user should know."""
    outcome = course.outcome
    what = what_went_wrong(estimator, course, batches)
    if what is not None and _recover(estimator, course, what, batches):
        course.mended = True
    elif outcome is Outcome.MAX_EPOCHS and message is not None:
        text = f"lbfgs failed to converge after {course.trainer.n_epochs} iteration(s): {message}."
        warnings.warn(text + scale_hint(batches), ConvergenceWarning)
    elif outcome is Outcome.MAX_EPOCHS and not anneals(estimator.learning_rate):
        done = len(course.losses)
        how = "reached" if done == estimator.max_iter else f"exceeded before, by {done},"
        text = (
            f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) {how} and the "
            "optimization hasn't converged yet."
        )
        warnings.warn(text + scale_hint(batches), ConvergenceWarning)


def what_went_wrong(estimator, course: Course, batches: Batches) -> str | None:
    """Return in words what is to be mended; None if nothing is, or the loss came back down."""
    losses, epoch = course.losses, divergence_epoch(course.losses)
    has_log_link = course.trainer.loss.out_activation == "exp"
    if has_log_link and came_back(losses) and ran_off(estimator, course, batches):
        return RAN_OFF
    if epoch is not None and not losses[-1] <= min(losses[: epoch - 1], default=math.inf):
        return f"Training diverged in epoch {epoch}"
    return None


def came_back(losses: list[float]) -> bool:
    """Whether the last loss is not far above the smallest."""
    return bool(losses) and divergence_epoch([min(losses), losses[-1]]) is None


def ran_off(estimator, course: Course, batches: Batches) -> bool:
    """Whether a training has ended, at a finite loss, with predictions exp(s) far from y.

    On one side the gradient of such a loss hardly depends on s, so s may run off and stay there.
    The predictions are far off if they are worse than e times the mean of y for all rows.  A
    training that used up its epochs may not have come far yet: it must be worse than its start too.
    """
    Y, weight = batches.Y, batches.weight
    far_off = np.log(np.average(Y, axis=0, weights=weight)) + 1.0
    S = np.broadcast_to(far_off.astype(Y.dtype), Y.shape)
    limit = course.trainer.loss.value_and_gradient(S, Y, weight, np.empty_like(Y))
    if course.losses[-1] <= limit and not estimator.early_stopping:  # which keeps another epoch
        return False
    values = course.trainer.network.parameters.values
    best = course.best.values if estimator.early_stopping else None
    end = loss_at(course, values.copy() if best is None else best, batches)
    if course.outcome is Outcome.MAX_EPOCHS:
        limit = max(limit, loss_at(course, course.initial_values, batches))
    return end > limit


def loss_at(course: Course, values: np.ndarray, batches: Batches) -> float:
    """Return the loss of the network with other parameters; nan counts as infinite."""
    parameters = course.trainer.network.parameters
    before = parameters.values.copy()
    parameters.values[:] = values
    loss = course.trainer.evaluate(batches)
    parameters.values[:] = before
    return math.inf if math.isnan(loss) else loss


def _recover(estimator, course: Course, what: str, batches: Batches) -> bool:
    """Return to the best finite parameters, warn of it, and return True.

    The candidates are compared on the data, because the loss of an epoch is that of its steps: the
    parameters with which the best epoch ended may already have been running off.  If the loss has
    come back by itself, and the last parameters are the best, nothing is done, and False returned.
    """
    cause = cause_of_divergence(estimator, batches) + scale_hint(batches)
    if course.best.values is None:
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may contain large "
            f"values and need to be preprocessed. {cause}"
        )
    last, values = "of the last epoch", course.trainer.network.parameters.values
    candidates = {
        f"of epoch {course.best.epoch}": course.best.values,
        "with which training began": course.initial_values,
    }
    if not estimator.early_stopping:  # which knows the best by their validation score
        candidates = {last: values.copy()} | candidates
    losses = {name: loss_at(course, parameters, batches) for name, parameters in candidates.items()}
    kept = min(losses, key=losses.get)
    stays = estimator.early_stopping or kept == last
    if stays and what != RAN_OFF and came_back(course.losses):
        return False
    values[:] = course.best.values = candidates[kept].copy()
    course.trainer.reset_optimizer()
    warnings.warn(
        f"{what}; the parameters {kept}, the best so far, are kept. {cause}", ConvergenceWarning
    )
    return True


def cause_of_divergence(estimator, batches: Batches) -> str:
    """Return a sentence on why a training may have gone wrong."""
    rate, alpha = estimator.learning_rate_init, estimator.alpha
    weight = batches.weight_sum() / len(batches)
    if estimator.solver != "lbfgs" and rate * alpha > weight:
        divisor = "number of rows" if batches.weight is None else "sum of the weights"
        return (
            f"The likely cause is the penalty: alpha={alpha} is divided by the {divisor} of a "
            f"batch, {weight:.3g} on average (sample_weight and class_weight count), which is too "
            f"much for learning_rate_init={rate}: use a smaller alpha, or larger weights."
        )
    unscaled = " or features that are not scaled" if batches.scaling is None else ""
    return (
        "The likely cause is a learning rate that is too high "
        f"(learning_rate_init={rate}){unscaled}."
    )


def scale_hint(batches: Batches) -> str:
    """Return a sentence on the scales of the columns of X if they differ 1,000-fold in training."""
    if batches.scaling is not None:
        return ""
    X = batches.X[:: 1 + batches.X.shape[0] // 2000]  # some rows tell as much as all
    if sparse.issparse(X):
        scales = np.sqrt(np.asarray(X.multiply(X).mean(axis=0), dtype=np.float64).ravel())
    else:
        scales = np.std(X, axis=0, dtype=np.float64)
    scales = scales[scales > 0]
    ratio = scales.max() / scales.min() if len(scales) else 1.0
    if not ratio >= 1000:
        return ""
    return (
        f" The columns of X differ in scale by a factor of {ratio:.2g}: scale them first, for "
        "example with StandardScaler."
    )
