"""Learning rate schedules: the factor that multiplies the initial learning rate.

A schedule is a frozen dataclass that is called with the training progress, in [0, 1],
and the number of samples seen up to the end of the last epoch.  Progress counts the
steps of the running epoch too, so the rate changes within an epoch, but for `InverseScaling`.

Conventions
-----------
The docstring of each schedule begins with its factor.  Parameters are not checked unless
*Raises* says so.

Examples
--------
>>> for name, schedule in SCHEDULES.items():
...     factors = [schedule()(progress, 99) for progress in (0.0, 0.3, 0.6, 1.0)]
...     print(f"{name:11}", *(f"{factor:.3f}" for factor in factors))
constant    1.000 1.000 1.000 1.000
invscaling  0.100 0.100 0.100 0.100
adaptive    1.000 1.000 1.000 1.000
exponential 1.000 0.251 0.063 0.010
step        1.000 1.000 0.100 0.010
cosine      1.000 0.794 0.345 0.000
one_cycle   0.040 1.000 0.611 0.000
coslog4     0.000 0.984 0.718 0.000
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from skdnn.engine.registry import choose


class Schedule(Protocol):
    """Factor of the learning rate as a function of training progress.

    Attributes
    ----------
    anneals : bool, default=False
        Whether it brings training to its end at a progress of 1, so that to use up all epochs is
        no lack of convergence.
    rises : bool, default=False
        Whether it begins with a rise of its own, so that it needs no warm-up before it.
    """

    anneals: ClassVar[bool] = False
    rises: ClassVar[bool] = False

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        """Return the factor.

        Parameters
        ----------
        progress : float
            Share of training that is done, in [0, 1].
        n_samples_seen : int
            Rows seen up to the end of the last epoch, each counted once an epoch.
        """


@dataclass(frozen=True)
class Constant(Schedule):
    """1: the learning rate stays as it is."""

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        return 1.0


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """1 / (t + 1)^power, t = samples seen up to the end of the last epoch / unit.

    The "invscaling" of scikit-learn's multilayer perceptrons, which have it for "sgd" alone:
    stochastic approximation converges for a power in (½, 1] (Robbins and Monro, 1951).  Adaptive
    solvers divide by the size of the gradients already, and stand still if single samples count.

    Parameters
    ----------
    power : float, default=0.5
        Not negative.
    unit : float, default=1.0
        So many samples count as one; positive.

    Examples
    --------
    >>> InverseScaling(power=1.0)(0.0, 9)
    0.1
    >>> InverseScaling(power=1.0, unit=1000.0)(0.0, 9000)
    0.1
    """

    power: float = 0.5
    unit: float = 1.0

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        return 1.0 / (n_samples_seen / self.unit + 1) ** self.power


@dataclass(frozen=True)
class Exponential(Schedule):
    """final^progress: the same ratio from every step to the next, from 1 to `final`.

    Senior et al. (2013), "exponential scheduling".

    Parameters
    ----------
    final : float, default=0.01
        Factor at the end of training, in (0, 1].

    Examples
    --------
    >>> Exponential(final=0.25)(0.5, 0)
    0.5
    """

    anneals: ClassVar[bool] = True
    final: float = 0.01

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        return self.final**progress


@dataclass(frozen=True)
class StepDecay(Schedule):
    """factor^k, k the milestones that progress has reached (He et al., 2016, sec. 4.2).

    Parameters
    ----------
    milestones : tuple of float, default=(0.5, 0.75)
        Where the rate drops, as shares of training in [0, 1], in any order.
    factor : float, default=0.1
        What each milestone multiplies the rate by, in (0, 1].

    Examples
    --------
    >>> step = StepDecay((0.2, 0.8), factor=0.5)
    >>> [step(progress, 0) for progress in (0.1, 0.2, 0.8)]
    [1.0, 0.5, 0.25]
    """

    anneals: ClassVar[bool] = True
    milestones: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        return self.factor ** sum(progress >= milestone for milestone in self.milestones)


@dataclass(frozen=True)
class Cosine(Schedule):
    """½ (1 + cos(π progress)): from 1 to 0 (Loshchilov and Hutter, 2017, eq. 5, one period)."""

    anneals: ClassVar[bool] = True

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        return 0.5 * (1.0 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Half a cosine from `start` up to 1 at progress `peak`, another down to `final`.

    b + ½ (a - b) (1 + cos(π t)), from a to b as t goes from 0 to 1: a = start, b = 1,
    t = progress / peak; then a = 1, b = final, t = (progress - peak) / (1 - peak).
    The one cycle of Smith and Topin (2018), with PyTorch's shape and defaults; the momentum is
    left as it is.

    Parameters
    ----------
    start : float, default=1/25
        Factor at the beginning, in [0, 1].
    peak : float, default=0.3
        Share of training at which the factor is 1, in [0, 1).
    final : float, default=4e-6
        Factor at the end, in [0, 1].

    Raises
    ------
    ValueError
        If peak is out of its range.

    Examples
    --------
    >>> cycle = OneCycle(start=0.1, peak=0.5, final=0.0)
    >>> [round(cycle(progress, 0), 3) for progress in (0.0, 0.25, 0.5, 0.75, 1.0)]
    [0.1, 0.55, 1.0, 0.5, 0.0]
    """

    anneals: ClassVar[bool] = True
    rises: ClassVar[bool] = True
    start: float = 1 / 25
    peak: float = 0.3
    final: float = 4e-6

    def __post_init__(self) -> None:
        if not 0 <= self.peak < 1:
            raise ValueError(f"peak of OneCycle must be in [0, 1). Got {self.peak!r} instead.")

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        if progress < self.peak:
            a, b, t = self.start, 1.0, progress / self.peak
        else:
            a, b, t = 1.0, self.final, (progress - self.peak) / (1.0 - self.peak)
        return b + (a - b) * 0.5 * (1.0 + math.cos(math.pi * t))


@dataclass(frozen=True)
class CosLog4(Schedule):
    """½ (1 - cos(2π log₂(1 + 15 progress))): four waves, each twice as long as the last.

    Holzmüller, Grinsztajn and Steinwart (2024), "Better by default".
    """

    anneals: ClassVar[bool] = True
    rises: ClassVar[bool] = True

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        return 0.5 * (1.0 - math.cos(2.0 * math.pi * math.log2(1.0 + 15.0 * progress)))


@dataclass(frozen=True)
class WarmUp(Schedule):
    """(progress / fraction) · schedule(0), then schedule((progress - fraction) / (1 - fraction)).

    A linear rise from 0 ("gradual warmup", Goyal et al., 2017, sec. 2.2); the schedule starts
    when it ends and takes the rest of training as its own.

    Parameters
    ----------
    fraction : float
        Share of training that the rise takes, in [0, 1).
    schedule : Schedule
        What follows.

    Raises
    ------
    ValueError
        If fraction is out of its range.

    Examples
    --------
    >>> warm = WarmUp(0.2, Cosine())
    >>> [round(warm(p, 0), 3) for p in (0.0, 0.1, 0.2, 0.6, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    fraction: float
    schedule: Schedule
    rises: ClassVar[bool] = True

    @property
    def anneals(self) -> bool:  # type: ignore[override]
        return anneals(self.schedule)

    def __post_init__(self) -> None:
        if not 0 <= self.fraction < 1:
            raise ValueError(
                f"fraction of WarmUp must be in [0, 1). Got {self.fraction!r} instead."
            )

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        if progress < self.fraction:
            return progress / self.fraction * self.schedule(0.0, n_samples_seen)
        return self.schedule((progress - self.fraction) / (1.0 - self.fraction), n_samples_seen)


@dataclass(frozen=True)
class Scheduled:
    """value · schedule: a number that changes with the progress of training.

    Parameters
    ----------
    value : float
        What the schedule's factor multiplies.
    schedule : Schedule
        Its factor.

    Examples
    --------
    >>> decay = Scheduled(0.1, Cosine())
    >>> [round(decay(progress, 0), 3) for progress in (0.0, 0.5, 1.0)]
    [0.1, 0.05, 0.0]
    """

    value: float
    schedule: Schedule

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        return self.value * self.schedule(progress, n_samples_seen)


# "adaptive" is constant here: it is the stopping rule that divides the rate by 5 instead of
# ending the training (see `skdnn.engine.stopping`).
SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "invscaling": InverseScaling,
    "adaptive": Constant,
    "exponential": Exponential,
    "step": StepDecay,
    "cosine": Cosine,
    "one_cycle": OneCycle,
    "coslog4": CosLog4,
}


def get_schedule(name: str) -> type[Schedule]:
    """Return the schedule class of this name.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> get_schedule("cosine")()
    Cosine()
    """
    return choose("learning_rate", SCHEDULES, name)


def anneals(schedule: str | Any) -> bool:
    """Whether a schedule, by name or as an object, brings training to its end at a progress of 1.

    An object that is no `Schedule` of this module may have the attribute, and does not by default.

    Examples
    --------
    >>> anneals("cosine"), anneals(WarmUp(0.1, Cosine())), anneals(lambda progress, n: 1.0)
    (True, True, False)
    """
    return bool(getattr(_known(schedule), "anneals", False))


def rises(schedule: str | Any) -> bool:
    """Whether a schedule, by name or as an object, begins with a rise of its own.

    Examples
    --------
    >>> rises("one_cycle"), rises(OneCycle()), rises("cosine")
    (True, True, False)
    """
    return bool(getattr(_known(schedule), "rises", False))


def _known(schedule: Any) -> Any:
    """Return the class that has this name, or the object itself."""
    return SCHEDULES.get(schedule) if isinstance(schedule, str) else schedule
