"""Checkpoints: an estimator in a file, written so that it can always be read.

A file is a line that names skdnn and its version, and a pickle.
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

    What `load_checkpoint` reads back is fitted as if `fit` had stopped there, and can go on: with
    ``warm_start=True`` and the same data its next `fit` runs the epochs that were left, and ends
    with the same numbers, bit for bit, as one that was never cut short.

    Parameters
    ----------
    path : str or path-like
        The file; ``~`` is the home folder, and a symbolic link is followed.  Its folder has to
        exist.
    interval : float, default=0.0
        Seconds that have to pass before it is written again; 0 is after every epoch.  It is always
        written at the end of the fit.

    Raises
    ------
    ValueError
        If `interval` is not a number of seconds.

    See Also
    --------
    load_checkpoint : Read the estimator back.
    save_checkpoint : Write one outside of `fit`, between calls of `partial_fit` for example.

    Notes
    -----
    The file holds the estimator without its callbacks; set them again to go on.  With
    ``warm_start=False`` its next `fit` starts anew, and warns that it does.  A fit that came to its
    end leaves a file that has nothing left to run: a warm start from there trains for another
    `max_iter` epochs.  One that Ctrl-C ended leaves what it last wrote, as a kill does.
    "lbfgs" goes on from the parameters of its last iteration, but without its memory of the
    curvature, so its numbers are not the same.

    The file is replaced as a whole, with the mode it had, so a fit killed at any moment leaves one
    that can be read, and perhaps a hidden ``.skdnn-*.tmp`` beside it: delete these when no fit
    writes to the folder.  Where it cannot be written (a full disk) a warning says so, the file
    stays as it was, and the next epoch tries again.

    The callback is set on the MLP itself, in a pipeline or a search too, and the file holds only
    that MLP.  All clones under a search write to the one path, and the last one wins.

    Writing costs the pickling of a few vectors as long as the parameters (the parameters, those of
    the best epoch and of the start, the optimizer's moments), and waiting for the disk: for small
    networks more than an epoch, so give an `interval`.

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
        """Refuse what could not be written, before any work is done."""
        if not isinstance(estimator, BaseMLP):
            raise TypeError(
                "Checkpoint is for MLPClassifier and MLPRegressor: set it on them, not on "
                f"{type(estimator).__name__}."
            )
        _refuse_bad_path(self.path)
        _refuse_what_no_pickle_holds(estimator)
        self._due = -math.inf

    def teardown(self, estimator: Any, context: Any) -> None:
        """Nothing is left to do."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Nothing is to be written yet."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Write the estimator, if it is time."""
        if context.task_name == "epoch":
            run = estimator._run
            ends = run.call.outcome is not None or run.epochs_left(estimator.max_iter) == 0
            if ends or time.monotonic() < self._due:  # the end is written when that is done
                return
        try:
            save_checkpoint(estimator._as_fitted(estimator._run), self.path)
        except OSError as error:
            warnings.warn(f"path={str(self.path)!r} is not written, and stays as it was: {error}.")
        else:
            self._due = time.monotonic() + self.interval


def _is_duration(seconds: object) -> bool:
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
    """Raise a `TypeError` that names the parameter which cannot be pickled."""
    parts = {"class": type(estimator)} | estimator.get_params(deep=False)
    for name, part in parts.items():
        try:
            pickle.dumps(part)
        except Exception as error:
            raise TypeError(
                f"No checkpoint can be written, for {name}={part!r} cannot be pickled: {error}."
            ) from error


def _located(path: PathLike) -> Path:
    """Return the file that is meant: home folder put in, links followed."""
    return Path(path).expanduser().resolve()


def _temporary(path: Path) -> Path:
    """Return a new name beside a file, short, for that file may have the longest there is."""
    return path.with_name(f".skdnn-{uuid.uuid4().hex}.tmp")  # many may write at a time


def save_checkpoint(estimator: object, path: PathLike) -> None:
    """Write an estimator to a file, as a whole or not at all.

    Parameters
    ----------
    estimator : object
        Any picklable object.  An MLP can go on exactly from there between calls of `partial_fit`,
        or of `fit` with ``warm_start=True``.  An estimator is written without its own callbacks,
        all else as it is.
    path : str or path-like
        The file; ``~`` is the home folder, and a symbolic link is followed.  Its folder has to
        exist; if there is a file already, its mode stays.

    Raises
    ------
    Exception
        If the object cannot be pickled, or the file not written; it is then as it was.

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
            with suppress(OSError):  # a new file, or a system without modes
                shutil.copymode(path, temporary)
            file.write(MAGIC + __version__.encode() + b"\n")
            pickle.dump(estimator, file, pickle.HIGHEST_PROTOCOL)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    with suppress(OSError):  # not every system can do that for a folder
        _synchronize_folder(path.parent)


def _synchronize_folder(folder: Path) -> None:
    """Wait until a new name in a folder is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_checkpoint(path: PathLike) -> Any:
    """Read an estimator that `Checkpoint` or `save_checkpoint` has written.

    It is a pickle, and reading a pickle may run any code: only load files that you trust.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    estimator : object
        It has the parameters it had.  If its `fit` was cut short,
        ``load_checkpoint(path).set_params(warm_start=True).fit(X, y)`` runs the epochs that are
        left, and `partial_fit` one of them; see `Checkpoint`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a checkpoint, or cannot be read to its end; another version of skdnn warns.

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
                "is read may not work, or give other results."
            )
        try:
            return pickle.load(file)
        except Exception as error:
            raise ValueError(f"{str(path)!r} cannot be read: {error!r}.") from error
