"""A loss by its name, or as an object that the user made."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skdnn.engine.arrays import Array
from skdnn.engine.losses.base import Loss, Range
from skdnn.engine.losses.links import INVERSE_LINKS
from skdnn.engine.registry import choose

FACTS = ("out_activation", "relative", "standardised_by", "y_range")


@dataclass(frozen=True)
class Given(Loss):
    """A loss that the user made, with the defaults of `Loss` for what it does not say.

    Parameters
    ----------
    loss : object
        Has ``value_and_gradient(S, T, weight, dS)``, and may have any other member of `Loss`.

    Raises
    ------
    ValueError
        If it lacks ``value_and_gradient``, or this takes other arguments; if it is a class; or if a
        member has none of the values that it may have.
    """

    loss: Any

    def __post_init__(self) -> None:
        loss = self.loss
        if isinstance(loss, type):
            raise ValueError(f"loss must be an object, not its class: write {loss.__name__}().")
        method = getattr(loss, "value_and_gradient", None)
        if not callable(method):
            raise ValueError(f"loss={loss!r} lacks value_and_gradient(S, T, weight, dS).")
        try:
            inspect.signature(method).bind(None, None, None, None)
        except TypeError as error:
            raise ValueError(
                f"loss={loss!r} must have a method value_and_gradient(S, T, weight, dS): {error}."
            ) from error
        except ValueError:  # a function in C that says nothing of its arguments
            pass
        choose("out_activation of the loss", INVERSE_LINKS, self.out_activation)
        standards: dict[Any, Any] = dict.fromkeys(("moments", "quartiles", None))
        choose("standardised_by of the loss", standards, self.standardised_by)  # type: ignore[arg-type]
        if not isinstance(self.y_range, Range):
            raise ValueError(f"y_range of the loss must be a Range. Got {self.y_range!r} instead.")

    @property
    def out_activation(self) -> str:  # type: ignore[override]
        return getattr(self.loss, "out_activation", Loss.out_activation)

    @property
    def relative(self) -> bool:  # type: ignore[override]
        return bool(getattr(self.loss, "relative", Loss.relative))

    @property
    def standardised_by(self) -> str | None:  # type: ignore[override]
        return getattr(self.loss, "standardised_by", Loss.standardised_by)

    @property
    def y_range(self) -> Range:  # type: ignore[override]
        return getattr(self.loss, "y_range", Loss.y_range)

    @property
    def hyperparameters(self) -> Mapping[str, str]:  # type: ignore[override]
        return getattr(self.loss, "hyperparameters", Loss.hyperparameters)

    def value_and_gradient(self, S: Array, T: Array, weight: Array | None, dS: Array) -> float:
        return float(self.loss.value_and_gradient(S, T, weight, dS))

    def value(self, S: Array, T: Array, weight: Array | None) -> float:
        if hasattr(self.loss, "value"):
            return float(self.loss.value(S, T, weight))
        return super().value(S, T, weight)

    def predict(self, S: Array, out: Array | None = None) -> Array:
        if not hasattr(self.loss, "predict"):
            return super().predict(S, out)
        P = self.loss.predict(S)
        if out is None:
            return P
        out[...] = P
        return out

    def complement(self, S: Array, out: Array | None = None) -> Array:
        if not hasattr(self.loss, "predict"):
            return super().complement(S, out)
        return np.subtract(1.0, self.predict(S, out), out=out)


def get_loss(loss: Any, table: Mapping[str, Loss], values: Mapping[str, Any]) -> Loss:
    """Return the loss of this name with these hyperparameters, or the user's object as a loss.

    Parameters
    ----------
    loss : str or object
        A key of the table, or an object with ``value_and_gradient``.
    table : mapping of str to Loss
        The losses of a task.
    values : mapping of str
        Hyperparameters by name; those of the loss are taken, an object has its own.

    Raises
    ------
    ValueError
        If there is no loss of this name, or the object is none (see `Given`).

    Examples
    --------
    >>> from skdnn.engine.losses.regression import REGRESSION_LOSSES
    >>> get_loss("huber", REGRESSION_LOSSES, {"huber_delta": 2.0, "quantile": 0.9})
    Huber(delta=2.0)
    """
    if not isinstance(loss, str):
        return whole(loss)
    found: Any = choose("loss", table, loss)
    names = whole(found).hyperparameters
    set_here = {names[name]: values[name] for name in names if name in values}
    return whole(replace(found, **set_here) if set_here else found)


def whole(loss: Any) -> Loss:
    """Return a loss that derives from `Loss` itself, and any other object with what it may lack.

    Raises
    ------
    ValueError
        As `Given` does.
    """
    given = Given(loss)
    return loss if Loss in type(loss).__mro__ else given


def facts_of(loss: Any, table: Mapping[str, Loss]) -> Any:
    """Return what carries the facts about a loss, by its name in the table or as an object.

    `Loss` itself, whose facts are the defaults, stands in for what is none.
    """
    try:
        return whole(table.get(loss, Loss) if isinstance(loss, str) else loss)
    except ValueError:
        return Loss
