"""Learning rate schedules: the factor that multiplies the initial learning rate.

A schedule is a frozen dataclass that is called with the training progress, in [0, 1],
and the number of samples seen up to the end of the last epoch.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from skdnn.engine.tables import choose


class Schedule(Protocol):
    """Learning rate as a function of training progress."""

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        """Return the factor."""


@dataclass(frozen=True)
class Constant:
    """1."""

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        return 1.0


@dataclass(frozen=True)
class InverseScaling:
    """1 / (t + 1)^power, t samples seen (the schedule of scikit-learn's MLP and SGD)."""

    power: float = 0.5

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        return 1.0 / (n_samples_seen + 1) ** self.power


@dataclass(frozen=True)
class Exponential:
    """final^progress: the same ratio from every epoch to the next, down to `final`."""

    final: float = 0.01

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        return self.final**progress


@dataclass(frozen=True)
class StepDecay:
    """Times `factor` at each milestone; by default a tenth at 1/2 and 3/4 (He et al., 2016)."""

    milestones: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        return self.factor ** sum(progress >= milestone for milestone in self.milestones)


@dataclass(frozen=True)
class Cosine:
    """½ (1 + cos(π progress)): from 1 to 0 (Loshchilov and Hutter, 2017, eq. 5, one period)."""

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        return 0.5 * (1.0 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class OneCycle:
    """Up from 1/25 to 1 over the first 30 %, then down to 4e-6, both along a cosine.

    Smith and Topin (2018); the momentum is left as it is.
    """

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
class CosLog4:
    """½ (1 - cos(2π log₂(1 + 15 progress))): four waves, each twice as long as the last.

    Holzmüller, Grinsztajn and Steinwart (2024).
    """

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        return 0.5 * (1.0 - math.cos(2.0 * math.pi * math.log2(1.0 + 15.0 * progress)))


@dataclass(frozen=True)
class WarmUp:
    """Rise linearly from 0 over the first `fraction` of training, then follow `schedule`.

    The schedule starts when the rise ends and takes the rest of training as its own.

    Examples
    --------
    >>> warm = WarmUp(0.2, Cosine())
    >>> [round(warm(p, 0), 3) for p in (0.0, 0.1, 0.2, 0.6, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    fraction: float
    schedule: Schedule

    def __post_init__(self) -> None:
        if not 0 <= self.fraction < 1:
            raise ValueError(
                f"fraction of WarmUp must be in [0, 1). Got {self.fraction!r} instead."
            )

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        if progress < self.fraction:
            return progress / self.fraction * self.schedule(0.0, n_samples_seen)
        return self.schedule((progress - self.fraction) / (1.0 - self.fraction), n_samples_seen)


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

    Examples
    --------
    >>> get_schedule("cosine")()
    Cosine()
    """
    return choose("learning_rate", SCHEDULES, name)
