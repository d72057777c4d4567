"""The epochs of a call of ``fit`` or ``partial_fit``, and how they end.

`run_call` trains, and `conclude` mends what went wrong and warns of it.
"""

import math
import warnings
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skdnn.engine.arrays import Array
from skdnn.engine.batches import Batches
from skdnn.engine.stopping import Outcome, divergence_epoch
from skdnn.engine.training import Listener
from skdnn.estimators.run import Run

RAN_OFF = "Training ran off: predictions are off by orders of magnitude, or infinite"


def run_call(run: Run, batches: Batches, listener: Listener, incremental: bool) -> None:
    """Run the epochs of a call, or of what is left of it, and warn of what the user should know.

    ``partial_fit`` (`incremental`) runs one epoch.  If an interrupted ``fit`` has epochs left, it
    is the next of those.
    """
    n_epochs = run.epochs_left(run.plan.max_iter)
    left = n_epochs - 1 if incremental and run.call.is_unfinished else 0
    if not run.call.is_unfinished or (incremental and n_epochs == 0):
        run.begin_call()
    message = run.train(batches, listener, 1 if incremental else n_epochs)
    ended = not (incremental and run.call.outcome is Outcome.MAX_EPOCHS)  # one is all it wanted
    if ended:
        conclude(run, message, batches)
    if ended or left <= 0:
        run.end_call()


def conclude(run: Run, message: str | None, batches: Batches) -> None:
    """Mend a training that went wrong, and warn of what the user should know."""
    outcome = run.call.outcome
    what = what_went_wrong(run, batches)
    if what is not None and _recover(run, what, batches):
        run.call.recovered = True
    elif outcome is Outcome.MAX_EPOCHS and message is not None:
        text = f"lbfgs failed to converge after {run.trainer.n_epochs} iteration(s): {message}."
        warnings.warn(text + scale_hint(batches), ConvergenceWarning)
    elif outcome is Outcome.MAX_EPOCHS and not run.plan.anneals:
        done = len(run.losses)
        how = "reached" if done == run.plan.max_iter else f"exceeded before, by {done},"
        text = (
            f"Stochastic Optimizer: Maximum iterations ({run.plan.max_iter}) {how} and the "
            "optimization hasn't converged yet."
        )
        warnings.warn(text + scale_hint(batches), ConvergenceWarning)


def what_went_wrong(run: Run, batches: Batches) -> str | None:
    """Return in words what is to be mended; None if nothing is, or the loss came back down."""
    losses, epoch = run.losses, divergence_epoch(run.losses)
    has_log_link = run.trainer.loss.out_activation == "exp"
    if has_log_link and came_back(losses) and ran_off(run, batches):
        return RAN_OFF
    if epoch is not None and not losses[-1] <= min(losses[: epoch - 1], default=math.inf):
        return f"Training diverged in epoch {epoch}"
    return None


def came_back(losses: list[float]) -> bool:
    """Whether the last loss is not far above the smallest."""
    return bool(losses) and divergence_epoch([min(losses), losses[-1]]) is None


def ran_off(run: Run, batches: Batches) -> bool:
    """Whether a training has ended, at a finite loss, with predictions exp(s) far from y.

    On one side the gradient of such a loss hardly depends on s, so s may run off and stay there.
    The predictions are far off if they are worse than e times the mean of y for all rows.  A
    training that used up its epochs may not have come far yet: it must be worse than its start too.
    """
    T, weight = batches.T, batches.weight
    far_off = np.log(np.average(T, axis=0, weights=weight)) + 1.0
    S = np.broadcast_to(far_off.astype(T.dtype), T.shape)
    limit = run.trainer.loss.value(S, T, weight)
    if run.losses[-1] <= limit and not run.early_stopping:
        return False
    values = run.values
    best = run.best.values if run.early_stopping else None
    end = loss_at(run, values.copy() if best is None else best, batches)
    if run.call.outcome is Outcome.MAX_EPOCHS:
        limit = max(limit, loss_at(run, run.call.initial_values, batches))
    return end > limit


def loss_at(run: Run, values: Array | None, batches: Batches) -> float:
    """Return the loss of the network with other parameters; nan counts as infinite."""
    parameters = run.network.parameters
    before = parameters.values.copy()
    parameters.values[:] = values
    loss = run.trainer.evaluate(batches)
    parameters.values[:] = before
    return math.inf if math.isnan(loss) else loss


def _recover(run: Run, what: str, batches: Batches) -> bool:
    """Return to the best finite parameters, warn of it, and return True.

    The candidates are compared on the data.  The loss of an epoch would not do, because it is the
    mean over the steps of the epoch, and the parameters at its end may already have been diverging.
    If the loss has come back by itself, and the last parameters are the best, nothing is done and
    False is returned.
    """
    cause = cause_of_divergence(run, batches) + scale_hint(batches)
    if run.best.values is None:
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may contain large "
            f"values and need to be preprocessed. {cause}"
        )
    last, values = "of the last epoch", run.values
    candidates: dict[str, Any] = {
        f"of epoch {run.best.epoch}": run.best.values,
        "with which training began": run.call.initial_values,
    }
    if not run.early_stopping:  # with early stopping the best epoch is known by its score
        candidates = {last: values.copy()} | candidates
    losses = {name: loss_at(run, parameters, batches) for name, parameters in candidates.items()}
    kept = min(losses, key=losses.__getitem__)
    stays = run.early_stopping or kept == last
    if stays and what != RAN_OFF and came_back(run.losses):
        return False
    values[:] = run.best.values = candidates[kept].copy()
    run.trainer.reset_optimizer()
    warnings.warn(
        f"{what}; the parameters {kept}, the best so far, are kept. {cause}", ConvergenceWarning
    )
    return True


def cause_of_divergence(run: Run, batches: Batches) -> str:
    """Return a sentence on why a training may have gone wrong."""
    rate, alpha = run.plan.descent.learning_rate, run.plan.descent.alpha
    weight = batches.weight_sum() / len(batches)
    if run.plan.lbfgs is None and rate * alpha > weight:
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
