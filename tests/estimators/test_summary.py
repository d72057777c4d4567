"""The table of layers and parameters."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skdnn import MLPClassifier, MLPRegressor
from skdnn.engine.activations import LeakyReLU
from skdnn.estimators.summary import summarize as summarize_network

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
LABELS = np.arange(60) % 3
COLUMNS = np.column_stack([LABELS, np.arange(60) % 4])
# Annealing, so that a training of two epochs ends without a warning.
SHORT = {"max_iter": 2, "learning_rate": "cosine", "random_state": 0}

NETWORKS = {
    "plain": {"hidden_layer_sizes": (7, 4)},
    "linear": {"hidden_layer_sizes": ()},
    "batch norm": {"hidden_layer_sizes": (6, 8, 3), "batch_norm": True},
    "dropout": {"hidden_layer_sizes": (6, 8), "dropout": [0.0, 0.25], "input_dropout": 0.1},
    "everything": {"hidden_layer_sizes": (9,), "batch_norm": True, "dropout": 0.5},
}


def summarize(net):
    return summarize_network(net.network_, net.n_features_in_, net.out_activation_)


class Square:
    """An activation of the user's own."""

    def forward(self, S, X):
        np.multiply(S, S, out=X)

    def derivative(self, S, X, D):
        np.multiply(2, S, out=D)


def fitted(cls, y=LABELS, **parameters):
    return cls(**SHORT | parameters).fit(X, y)


def table(net, capsys):
    """Return the printed lines, without the rules."""
    capsys.readouterr()
    assert net.summary() is None
    return [line for line in capsys.readouterr().out.splitlines() if set(line) != {"-"}]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_every_number_of_the_network_is_counted(cls, name):
    net = fitted(cls, **NETWORKS[name])
    first, *layers = summarize(net)
    assert (first.n_units, first.n_parameters, first.n_statistics) == (5, 0, 0)
    for layer, W, b in zip(layers, net.coefs_, net.intercepts_, strict=True):
        # scale and shift of a unit are trained, its mean and its variance are not
        of_batch_norm = 2 * layer.n_units if layer.batch_norm else 0
        assert layer.n_parameters == W.size + b.size + of_batch_norm
        assert layer.n_statistics == of_batch_norm
    values = net._network.parameters.values
    assert sum(layer.n_parameters + layer.n_statistics for layer in layers) == values.size


def test_parameters_of_a_network_with_batch_norm_in_closed_form():
    """As torch counts them: Linear(n, m) has (n + 1) m, BatchNorm1d(m) 2 m, and 2 m buffers."""
    net = fitted(MLPClassifier, **NETWORKS["batch norm"])
    expected = [(0, 0), (6 * 6 + 12, 12), (7 * 8 + 16, 16), (9 * 3 + 6, 6), (4 * 3, 0)]
    assert [(layer.n_parameters, layer.n_statistics) for layer in summarize(net)] == expected


def test_what_happens_to_a_layer():
    activations = ["tanh", LeakyReLU(0.2), Square(), "swish"]
    net = fitted(
        MLPClassifier,
        hidden_layer_sizes=(4, 3, 2, 6),
        activation=activations,
        dropout=[0.5, 0.0, 0.25, 0.0],
        input_dropout=0.1,
        batch_norm=True,
    )
    layers = summarize(net)
    assert [layer.name for layer in layers] == ["Input", *(f"Hidden {i}" for i in "1234"), "Output"]
    assert [layer.n_units for layer in layers] == [5, 4, 3, 2, 6, 3]
    names = ["", "tanh", "LeakyReLU(slope=0.2)", "Square", "silu", "softmax"]
    assert [layer.activation for layer in layers] == names
    assert [layer.dropout for layer in layers] == [0.1, 0.5, 0.0, 0.25, 0.0, 0.0]
    assert [layer.batch_norm for layer in layers] == [False, *[True] * 4, False]


def test_it_tells_of_the_network_not_of_the_hyperparameters():
    net = fitted(MLPClassifier, hidden_layer_sizes=(7,))
    before = summarize(net)
    net.set_params(hidden_layer_sizes=(3, 3), activation="tanh", dropout=0.5, batch_norm=True)
    assert summarize(net) == before


@pytest.mark.parametrize(
    ("net", "y", "n_units", "activation"),
    [
        (MLPClassifier(), LABELS > 0, 1, "logistic"),
        (MLPClassifier(), LABELS, 3, "softmax"),
        (MLPClassifier(), np.eye(3, dtype=int)[LABELS], 3, "logistic"),
        (MLPClassifier(), COLUMNS, 3 + 4, "softmax"),
        (MLPClassifier(loss="hinge"), LABELS, 3, "identity"),
        (MLPRegressor(), COLUMNS, 2, "identity"),
        (MLPRegressor(loss="poisson"), LABELS, 1, "exp"),
    ],
)
def test_the_output_is_that_of_the_task(net, y, n_units, activation):
    output = summarize(net.set_params(**SHORT).fit(X, y))[-1]
    assert (output.name, output.n_units, output.activation) == ("Output", n_units, activation)


def test_the_table(capsys):
    assert table(fitted(MLPClassifier, **NETWORKS["everything"]), capsys) == [
        "Layer     Units  Batch norm  Activation  Dropout  Parameters  Statistics",
        "Input         5",
        "Hidden 1      9  yes         relu            0.5          72          18",
        "Output        3              softmax                      30",
        "Total                                                    102          18",
        "float32, 0.5 kB",  # 4 bytes for each of the 120 numbers
    ]


def test_large_numbers_are_grouped_and_columns_without_entries_left_out(capsys):
    net = fitted(MLPRegressor, hidden_layer_sizes=(2000,), dtype="float64")
    head, _, hidden, output, total, memory = table(net, capsys)
    assert head.split() == ["Layer", "Units", "Activation", "Parameters"]
    assert hidden.split() == ["Hidden", "1", "2,000", "relu", "12,000"]
    assert output.split() == ["Output", "1", "identity", "2,001"]
    assert total.split() == ["Total", "14,001"]
    assert memory == "float64, 112.0 kB"
    assert len(head) == len(hidden) == len(output) == len(total)


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_only_of_a_fitted_network(cls):
    with pytest.raises(NotFittedError, match=cls.__name__):
        cls().summary()
