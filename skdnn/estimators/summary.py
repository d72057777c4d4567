"""The layers of a fitted network at a glance: sizes, activations, numbers of parameters."""

from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from typing import Any

import numpy as np

from skdnn.engine.activations import ACTIVATIONS, get_activation
from skdnn.engine.network import Network


@dataclass
class LayerSummary:
    """A layer of units, with all that happens to it before the next layer.

    Attributes
    ----------
    name : str
        "Input", "Hidden 1", "Hidden 2", …, "Output".
    n_units : int
        Columns of X, hidden units, or columns of the raw scores.
    batch_norm : bool
        Whether the units are normalised over the batch.
    activation : str
        Name of the activation; empty for the input.
    dropout : float
        Share of the units dropped in a training step.
    n_parameters : int
        Parameters that are trained.
    n_statistics : int
        Running means and variances of batch norm, which are kept but not trained.
    """

    name: str
    n_units: int
    batch_norm: bool = False
    activation: str = ""
    dropout: float = 0.0
    n_parameters: int = 0
    n_statistics: int = 0


def summarize(network: Network, n_in: int, out_activation: str) -> list[LayerSummary]:
    """Return the layers of a network, from the input to the output."""
    rows = [LayerSummary("Input", n_in)]
    layers: list[Any] = network.layers
    for layer in layers:
        if layer.work:
            rows.append(LayerSummary(f"Hidden {len(rows)}", layer.n_out))
        row = rows[-1]
        if layer.couples_rows:
            row.batch_norm = True
        elif layer.masks:
            row.dropout = layer.rate
        else:
            row.activation = activation_name(layer.activation)
        for slot in layer.slots:
            if slot.zone == "statistics":
                row.n_statistics += slot.size
            else:
                row.n_parameters += slot.size
    rows[-1].name, rows[-1].activation = "Output", out_activation
    return rows


def activation_name(activation: Any) -> str:
    """Return the name in the table, else how an object describes itself."""
    for name in ACTIVATIONS:
        if get_activation(name) == activation:
            return name
    return repr(activation) if is_dataclass(activation) else type(activation).__name__


def number(n: int) -> str:
    """Return n in digits, or nothing for zero."""
    return f"{n:,}" if n else ""


COLUMNS: dict[str, Callable[[LayerSummary], str]] = {
    "Layer": lambda layer: layer.name,
    "Units": lambda layer: number(layer.n_units),
    "Batch norm": lambda layer: "yes" if layer.batch_norm else "",
    "Activation": lambda layer: layer.activation,
    "Dropout": lambda layer: f"{layer.dropout:g}" if layer.dropout else "",
    "Parameters": lambda layer: number(layer.n_parameters),
    "Statistics": lambda layer: number(layer.n_statistics),
}
NUMBERS = ("Units", "Dropout", "Parameters", "Statistics")


def as_text(layers: list[LayerSummary], dtype: np.dtype) -> str:
    """Return the layers as a table; a column without entries is left out."""
    total = LayerSummary("Total", 0)
    total.n_parameters = sum(layer.n_parameters for layer in layers)
    total.n_statistics = sum(layer.n_statistics for layer in layers)
    columns = [[name, *map(cell, [*layers, total])] for name, cell in COLUMNS.items()]
    aligned = [align(column) for column in columns if any(column[1:])]
    head, *body, last = ["  ".join(row).rstrip() for row in zip(*aligned, strict=True)]
    rule = "-" * len(head)
    n_bytes = (total.n_parameters + total.n_statistics) * dtype.itemsize
    return "\n".join([head, rule, *body, rule, last, f"{dtype}, {n_bytes / 1000:,.1f} kB"])


def align(column: list[str]) -> list[str]:
    """Return the cells in one width: numbers to the right, words to the left."""
    width = max(map(len, column))
    return [cell.rjust(width) if column[0] in NUMBERS else cell.ljust(width) for cell in column]
