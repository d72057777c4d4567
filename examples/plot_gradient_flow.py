"""Show how the gradient vanishes in a deep network, and what helps.

In backpropagation every layer multiplies the gradient by the derivative of its activation and by
its weights.  The derivative of a sigmoid is at most 1/4, so after eight layers the gradient is tiny
and the first layers hardly learn.  This example draws the norm of the gradient of each layer before
and after training.  The networks have eight hidden layers and differ only in these points:

1. sigmoid activations;
2. sigmoid activations behind batch normalisation;
3. tanh activations;
4. ReLU activations with He's initial weights, which are made for them;
5. ReLU activations with initial weights that are too small, with standard deviation 0.01.

The example also prints how many handwritten digits each network classifies correctly after
training.  The picture is ``gradient_flow.png``.

Run it, in a few seconds, with

    python examples/plot_gradient_flow.py

``--epochs`` sets how long each network is trained, ``--seed`` the split and all random numbers, and
``--out`` the folder of the picture, by default the folder of this file.  The example needs
``pip install "skdnn[plot]"``.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # it only writes a file

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdnn import MLPClassifier
from skdnn.inspection import GradientFlowDisplay

VARIANTS = {
    "sigmoid": {"activation": "logistic"},
    "sigmoid, batch norm": {"activation": "logistic", "batch_norm": True},
    "tanh": {"activation": "tanh"},
    "ReLU, He weights": {"activation": "relu", "init": "he_normal"},
    "ReLU, small weights": {"activation": "relu", "init": "normal"},
}


def make_networks(epochs, seed):
    """Return pipelines of preprocessing and network, by name."""
    common = {
        "hidden_layer_sizes": [64] * 8,
        "alpha": 0.0,  # no penalty: the gradient is that of the loss alone
        "learning_rate": "cosine",
        "max_iter": epochs,
        "random_state": seed,
    }
    return {
        name: make_pipeline(StandardScaler(), MLPClassifier(**common, **variant))
        for name, variant in VARIANTS.items()
    }


def fit_and_score(networks, X, y, X_test, y_test):
    """Train the networks and print the accuracy of each."""
    print("Accuracy on the test rows")
    for name, network in networks.items():
        print(f"  {name:<24}{network.fit(X, y).score(X_test, y_test):.3f}")


def parse_arguments(argv):
    """Return the arguments of the command line."""
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20, help="of training (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the split and all random numbers")
    parser.add_argument("--out", type=Path, default=here, help="folder of the picture")
    args = parser.parse_args(argv)
    if not args.out.is_dir():
        parser.error(f"--out: there is no folder {args.out}")
    return args


def main(argv=None):
    """Run the example."""
    args = parse_arguments(argv)
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=args.seed)
    networks = make_networks(args.epochs, args.seed)

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.8), sharey=True, layout="constrained")
    GradientFlowDisplay.from_estimators(networks, X, y, ax=left)
    fit_and_score(networks, X, y, X_test, y_test)
    GradientFlowDisplay.from_estimators(networks, X, y, ax=right)

    left.set_title("Before training")
    right.set(title="After training", ylabel="")
    right.get_legend().remove()  # it is the same as that at the left
    for ax in (left, right):
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
    path = args.out / "gradient_flow.png"
    figure.savefig(path, dpi=150)
    plt.close(figure)
    print(f"\nGradients before and after training: {path}")


if __name__ == "__main__":
    main()
