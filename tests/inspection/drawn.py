"""What is on a figure."""

from itertools import combinations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def tick_labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def drawn_texts(figure, monkeypatch):
    """Return all texts that are drawn, those of ticks in view included."""
    texts, draw = [], Text.draw

    def note(text, renderer):
        if text.get_text() and text.get_visible():
            texts.append(text)
        draw(text, renderer)

    with monkeypatch.context() as patch:
        patch.setattr(Text, "draw", note)
        figure.canvas.draw()
    return list(dict.fromkeys(texts))


def assert_texts_are_apart(figure, monkeypatch):
    """Check that no text is over another, nor over the edge of the figure."""
    boxes = {t: t.get_window_extent() for t in drawn_texts(figure, monkeypatch)}
    assert len(boxes) > 4
    for (one, a), (other, b) in combinations(boxes.items(), 2):
        common = Bbox.intersection(a, b)
        slanted = one.get_rotation() == other.get_rotation() == 30  # and so side by side
        apart = slanted or common is None or common.width * common.height < 1.0
        assert apart, f"{one.get_text()!r} and {other.get_text()!r}"
    for text, box in boxes.items():
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, text.get_text()
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1, text.get_text()


__all__ = ["assert_texts_are_apart", "drawn_texts", "legend_texts", "plt", "tick_labels"]
