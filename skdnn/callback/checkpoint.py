"""Checkpoints: files that hold an estimator, and are always complete.

A checkpoint is one line with the name and the version of skdnn, followed by a pickle.
"""

import math
import os
import pickle
import shutil
import time
import uuid
import warnings
from contextlib import suppress
from numbers import Real
from pathlib import Path
from typing import Any, TypeAlias

from sklearn.base import BaseEstimator

from skdnn._version import __version__
from skdnn.estimators.base import BaseMLP
from skdnn.estimators.fitted import without_callbacks

MAGIC = b"skdnn checkpoint "
PathLike: TypeAlias = str | os.PathLike[str]


class Checkpoint:
    """Callback that writes the estimator to a file after every epoch.

    `load_checkpoint` reads the file and returns an estimator that is fitted as if `fit` had stopped
    there.  This estimator can resume the training: with ``warm_start=True`` and the same data, its
    next `fit` runs the epochs that were left.  That `fit` ends with the same numbers, bit for bit,
    as one that was never interrupted.

    Parameters
    ----------
    path : str or path-like
        The checkpoint file.  ``~`` is the home folder, and symbolic links are followed.  The folder
        of the file has to exist.
    interval : float, default=0.0
        Seconds that have to pass before the file is written again.  With 0 it is written after
        every epoch.  It is always written at the end of the fit.

    Raises
    ------
    ValueError
        If `interval` is not a finite number of seconds, at least 0.

    See Also
    --------
    load_checkpoint : Read the estimator back.
    save_checkpoint : Write a checkpoint outside of `fit`, for example between calls of
        `partial_fit`.

    Notes
    -----
    The file holds the estimator without its callbacks: set them again before you resume.  If
    ``warm_start=False``, the next `fit` of the loaded estimator starts anew, and a warning says so.

    If a fit ran to its end, no epochs are left: a warm start from its file trains for another
    `max_iter` epochs.  If a fit was ended by Ctrl-C or killed, its file is the one that was written
    last.  "lbfgs" resumes from the parameters of its last iteration, but without its memory of the
    curvature, so its numbers differ.

    The file is replaced as a whole, and keeps its permissions.  So it can be read even if the fit
    is killed while it writes.  A hidden file ``.skdnn-*.tmp`` may then be left in the folder:
    delete such files when no fit writes there.  If the file cannot be written, for example because
    the disk is full, a warning says so.  The file then stays as it was, and the next epoch tries
    again.

    Set the callback on the MLP itself, also if the MLP is part of a pipeline or a search.  The file
    holds only the MLP.  In a search all clones of the MLP write to the same path, and each replaces
    what the others wrote.

    A write pickles a few vectors of the length of the parameters (the current, best and initial
    parameters, and the optimizer's moments) and waits for the disk.  For a small network this takes
    longer than an epoch, so give an `interval`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from skdnn import MLPClassifier, load_checkpoint
    >>> from skdnn.callback import Checkpoint
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((8,), max_iter=3, learning_rate="cosine", random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "iris.ckpt"
    ...     net = net.set_callbacks(Checkpoint(path)).fit(X, y)
    ...     same_net = load_checkpoint(path)
    >>> bool((same_net.predict(X) == net.predict(X)).all())
    True
    """

    def __init__(self, path: PathLike, interval: float = 0.0) -> None:
        if not _is_duration(interval):
            raise ValueError(f"interval must be a number of seconds, at least 0. Got {interval!r}.")
        self.path, self.interval = path, interval

    def __repr__(self) -> str:
        return f"{type(self).__name__}(path={str(self.path)!r}, interval={self.interval!r})"

    def setup(self, estimator: Any, context: Any) -> None:
        """Raise an error now if the checkpoint could not be written later."""
        if not isinstance(estimator, BaseMLP):
            raise TypeError(
                "Checkpoint is for MLPClassifier and MLPRegressor: set it on them, not on "
                f"{type(estimator).__name__}."
            )
        _refuse_bad_path(self.path)
        _refuse_what_no_pickle_holds(estimator)
        self._due = -math.inf

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing: no file is open."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing: there is nothing to write yet."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Write the estimator, if `interval` seconds have passed or the fit has ended."""
        if context.task_name == "epoch":
            run = estimator._run
            ends = run.call.outcome is not None or run.epochs_left(estimator.max_iter) == 0
            # After the last epoch, the end of the fit writes the file.
            if ends or time.monotonic() < self._due:
                return
        try:
            save_checkpoint(estimator._as_fitted(estimator._run), self.path)
        except OSError as error:
            warnings.warn(
                f"The checkpoint path={str(self.path)!r} could not be written, so the file stays "
                f"as it was: {error}."
            )
        else:
            self._due = time.monotonic() + self.interval


def _is_duration(seconds: object) -> bool:
    """Whether it is a finite number, at least 0."""
    return isinstance(seconds, Real) and not seconds < 0 and seconds < math.inf


def _refuse_bad_path(path: PathLike) -> None:
    """Raise an `OSError` that names the path if no file can be written there."""
    target, given = _located(path), f"path={str(path)!r}"
    if not target.parent.is_dir():
        raise FileNotFoundError(f"The folder of {given} does not exist.")
    if target.is_dir():
        raise IsADirectoryError(f"{given} is a folder, not a file.")
    trial = _temporary(target)
    try:
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as error:
        raise type(error)(f"{given} cannot be written: {error}.") from error


def _refuse_what_no_pickle_holds(estimator: BaseMLP) -> None:
    """Raise a `TypeError` that names the parameter if one cannot be pickled."""
    parts = {"class": type(estimator)} | estimator.get_params(deep=False)
    for name, part in parts.items():
        try:
            pickle.dumps(part)
        except Exception as error:
            raise TypeError(
                f"No checkpoint can be written, because {name}={part!r} cannot be pickled: {error}."
            ) from error


def _located(path: PathLike) -> Path:
    """Return the path with ``~`` expanded and symbolic links followed."""
    return Path(path).expanduser().resolve()


def _temporary(path: Path) -> Path:
    """Return a new path in the folder of `path`.

    Its name is short, because the name of `path` may be as long as the file system allows.
    """
    unique = uuid.uuid4().hex  # several processes may write at a time
    return path.with_name(f".skdnn-{unique}.tmp")


def save_checkpoint(estimator: object, path: PathLike) -> None:
    """Write an estimator to a file, as a whole or not at all.

    Parameters
    ----------
    estimator : object
        Any picklable object.  An MLP that was saved between calls of `partial_fit`, or of `fit`
        with ``warm_start=True``, can resume exactly.  An estimator is written without its own
        callbacks; everything else is written as it is.
    path : str or path-like
        The file.  ``~`` is the home folder, and symbolic links are followed.  The folder of the
        file has to exist.  If the file exists, it is replaced and keeps its permissions.

    Raises
    ------
    Exception
        If the object cannot be pickled, or the file cannot be written.  The file is then as it was.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from skdnn import MLPClassifier, load_checkpoint, save_checkpoint
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((8,), random_state=0).partial_fit(X, y, classes=[0, 1, 2])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "iris.ckpt"
    ...     save_checkpoint(net, path)
    ...     same_net = load_checkpoint(path)
    >>> net.partial_fit(X, y).loss_ == same_net.partial_fit(X, y).loss_
    True
    """
    if isinstance(estimator, BaseEstimator):
        estimator = without_callbacks(estimator)
    path = _located(path)
    temporary = _temporary(path)
    try:
        with open(temporary, "xb") as file:
            with suppress(OSError):  # the file is new, or the system has no permissions
                shutil.copymode(path, temporary)
            file.write(MAGIC + __version__.encode() + b"\n")
            pickle.dump(estimator, file, pickle.HIGHEST_PROTOCOL)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    with suppress(OSError):  # some systems cannot synchronise a folder
        _synchronize_folder(path.parent)


def _synchronize_folder(folder: Path) -> None:
    """Wait until the names of the files in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_checkpoint(path: PathLike) -> Any:
    """Read an estimator that `Checkpoint` or `save_checkpoint` has written.

    The file is a pickle, and reading a pickle may run any code: only load files that you trust.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    estimator : object
        What was saved.  If the `fit` of an MLP was interrupted,
        ``load_checkpoint(path).set_params(warm_start=True).fit(X, y)`` runs the epochs that are
        left, and `partial_fit` runs the next one of them; see `Checkpoint`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a checkpoint, or its pickle cannot be read.

    Warns
    -----
    UserWarning
        If another version of skdnn wrote the file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdnn import MLPClassifier, load_checkpoint, save_checkpoint
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(MLPClassifier(alpha=0.1), Path(folder) / "net.ckpt")
    ...     load_checkpoint(Path(folder) / "net.ckpt").set_params(warm_start=True)
    MLPClassifier(alpha=0.1, warm_start=True)
    """
    with open(_located(path), "rb") as file:
        line = file.readline(100)
        if not (line.startswith(MAGIC) and line.endswith(b"\n")):
            raise ValueError(f"{str(path)!r} is not a checkpoint of skdnn.")
        version = line.removeprefix(MAGIC).decode(errors="replace").strip()
        if version != __version__:
            warnings.warn(
                f"{str(path)!r} was written by skdnn {version}, and this is {__version__}: what "
                "was loaded may not work, or may give other results."
            )
        try:
            return pickle.load(file)
        except Exception as error:
            raise ValueError(f"{str(path)!r} cannot be read: {error!r}.") from error
