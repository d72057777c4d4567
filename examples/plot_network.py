"""Draw networks: their layers, and the activations of their units.

1. ``network.png``: the diagram of a network that classifies wines.  A table of its layers is
   printed too.
2. ``healthy.png``: the activations of a network that classifies handwritten digits.  The
   pre-activations are spread around zero, and hardly any unit is dead.
3. ``dead.png``: the activations of the same network, trained with a learning rate that is 50 times
   as large.  After the first steps, the pre-activations of many units are negative for every row,
   so their ReLU is zero.  No gradient reaches these units any more, and they stay dead.

Run it, in a few seconds, with

    python examples/plot_network.py

``--seed`` sets all random numbers, and ``--out`` the folder of the pictures, by default the folder
of this file.  The example needs ``pip install "skdnn[plot]"``.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # it only writes files

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits, load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdnn import MLPClassifier
from skdnn.inspection import ActivationDisplay, NetworkDisplay


def save(display, path, title):
    """Write a picture, and print its path."""
    display.figure_.savefig(path, dpi=150)
    plt.close(display.figure_)
    print(f"{title}: {path}")


def draw_network(seed, path):
    """Draw a network with batch norm and dropout, and print the table of its layers."""
    wine = load_wine(as_frame=True)
    net = MLPClassifier(
        (64, 32),
        batch_norm=True,
        dropout=0.2,
        input_dropout=0.1,
        learning_rate="cosine",
        max_iter=30,
        random_state=seed,
    )
    scaler = StandardScaler().set_output(transform="pandas")  # so that the columns keep their names
    model = make_pipeline(scaler, net).fit(wine.data, wine.target_names[wine.target])
    net.summary()
    print()
    save(NetworkDisplay.from_estimator(model), path, "The network")


def draw_activations(learning_rate, seed, path, title):
    """Draw the activations of a network trained at this learning rate."""
    X, y = load_digits(return_X_y=True)
    net = MLPClassifier(
        (64, 64, 64),
        learning_rate="cosine",
        learning_rate_init=learning_rate,
        max_iter=15,
        random_state=seed,
    )
    model = make_pipeline(StandardScaler(), net).fit(X, y)
    display = ActivationDisplay.from_estimator(model, X)
    display.figure_.suptitle(title)
    save(display, path, title)


def parse_arguments(argv):
    """Return the arguments of the command line."""
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers")
    parser.add_argument("--out", type=Path, default=here, help="folder of the pictures")
    args = parser.parse_args(argv)
    if not args.out.is_dir():
        parser.error(f"--out: there is no folder {args.out}")
    return args


def main(argv=None):
    """Run the example."""
    args = parse_arguments(argv)
    draw_network(args.seed, args.out / "network.png")
    draw_activations(0.001, args.seed, args.out / "healthy.png", "Healthy activations")
    draw_activations(0.05, args.seed, args.out / "dead.png", "Dead units")


if __name__ == "__main__":
    main()
