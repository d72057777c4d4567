"""Accuracy of the defaults beside scikit-learn's MLP, on a folder of tables or on small ones.

    python benchmarks/defaults.py --data FOLDER --seeds 0 1 2
    python benchmarks/defaults.py --data FOLDER --raw --set init=he_uniform bias_init=zeros

A table is a file NAME.parquet with the target in the column `__target__`, floats for a regression
and else labels; columns of dtype category, text or boolean are categorical.  Without a folder three
tables of scikit-learn are used.  At most `--max-rows` rows are drawn, and a fifth of them is for
testing.  The figure is the geometric mean of (error + 0.01) / (error of scikit-learn's MLP + 0.01)
on the same split: the share of wrong labels, or the root mean squared error over the standard
deviation of y.
"""

import argparse
import ast
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from common import print_header
from sklearn import neural_network
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import skdnn


def parse_value(text):
    """Return the literal that a text of the command line is, or else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def read_tables(folder):
    """Yield name, X and y."""
    if folder is None:
        for load in (load_breast_cancer, load_digits, load_diabetes):
            options = {"scaled": False} if load is load_diabetes else {}
            X, y = load(return_X_y=True, as_frame=True, **options)
            yield load.__name__.removeprefix("load_"), X, y
        return
    for path in sorted(Path(folder).glob("*.parquet")):
        table = pd.read_parquet(path)
        yield path.stem, table.drop(columns="__target__"), table["__target__"]


def split(X, y, max_rows, seed):
    """Return training and test rows, and whether y are labels."""
    rows = np.random.default_rng(seed).permutation(len(X))[:max_rows]
    X, y = X.iloc[rows], y.iloc[rows]
    labels = not pd.api.types.is_float_dtype(y)
    if labels:
        frequent = y.map(y.value_counts()) >= 10
        X, y = X[frequent], pd.Series(pd.factorize(y[frequent])[0], index=y[frequent].index)
    parts = train_test_split(X, y, test_size=0.2, random_state=seed, stratify=y if labels else None)
    return *parts, labels


def pipeline(net, labels, raw):
    """Return what a user of scikit-learn writes around a network; `raw` leaves out the scaling."""
    steps = [SimpleImputer(strategy="median")] + ([] if raw else [StandardScaler()])
    numbers = make_column_selector(dtype_include="number")
    others = make_column_selector(dtype_exclude="number")
    one_hot = OneHotEncoder(handle_unknown="ignore", max_categories=50, sparse_output=False)
    columns = make_column_transformer((make_pipeline(*steps), numbers), (one_hot, others))
    model = make_pipeline(columns, net)
    if labels or raw:
        return model
    return TransformedTargetRegressor(model, transformer=StandardScaler())


def measure(module, parameters, data, labels, raw):
    """Return error, log loss and seconds of one fit."""
    X, X_test, y, y_test = data
    cls = module.MLPClassifier if labels else module.MLPRegressor
    model = pipeline(cls(random_state=0, **parameters), labels, raw)
    start = time.process_time()
    model.fit(X, y)
    seconds = time.process_time() - start
    if not labels:
        error = np.sqrt(np.mean((model.predict(X_test) - y_test) ** 2)) / np.std(y_test)
        return float(error), np.nan, seconds
    P = np.clip(model.predict_proba(X_test), 1e-7, 1.0)
    return np.mean(P.argmax(axis=1) != y_test), log_loss(y_test, P, labels=model.classes_), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of parquet files")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--max-rows", type=int, default=6666)
    parser.add_argument("--raw", action="store_true", help="columns and y as they are")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="for skdnn")
    parser.add_argument("--both", nargs="*", default=[], metavar="NAME=VALUE", help="for both")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    print_header(f"own: {arguments.set}, both: {arguments.both}, raw: {arguments.raw}")
    both, own = (
        {name: parse_value(value) for name, _, value in (text.partition("=") for text in texts)}
        for texts in (arguments.both, arguments.set)
    )
    rows = []
    for name, X, y in read_tables(arguments.data):
        for seed in arguments.seeds:
            *data, labels = split(X, y, arguments.max_rows, seed)
            task = "regression" if not labels else "two classes"
            task = "more classes" if labels and data[2].nunique() > 2 else task
            theirs = measure(neural_network, both, data, labels, arguments.raw)
            ours = measure(skdnn, both | own, data, labels, arguments.raw)
            rows.append((task, name, seed, *theirs, *ours))
    report(rows)


def report(rows):
    """Print every table's mean errors, and the figures."""
    columns = ["task", "table", "seed", "theirs", "their log loss", "their s"]
    columns += ["ours", "our log loss", "our s"]
    table = pd.DataFrame(rows, columns=columns)
    table["ratio"] = np.log((table.ours + 0.01) / (table.theirs + 0.01))
    means = table.drop(columns="seed").groupby(["task", "table"]).mean()
    print(means.assign(ratio=np.exp(means.ratio)).round(3).to_string())
    figures = {"all": table.ratio.mean(), **table.groupby("task").ratio.mean()}
    figures = {name: f"{np.exp(value):.3f}" for name, value in figures.items()}
    won = f"{(means.ratio < 0).sum()} of {len(means)}"
    print(f"\n{figures}, better on {won} tables")
    print(f"log loss {table['their log loss'].mean():.4f} → {table['our log loss'].mean():.4f}")
    print(f"CPU seconds {table['their s'].sum():.1f} → {table['our s'].sum():.1f}")


if __name__ == "__main__":
    main()
