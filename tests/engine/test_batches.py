from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from skdnn.engine.batches import BLOCK_NUMBERS, Batches, Scaling

sizes = st.integers(1, 30)
orders = st.one_of(st.none(), st.integers(0, 2**32 - 1).map(np.random.default_rng))


def numbered(n, kind="dense"):
    """Return X, Y, weight whose every row tells its number."""
    X = np.column_stack([np.arange(n), -np.arange(n)]).astype(float)
    X = sparse.csr_array(X) if kind == "sparse" else X
    return X, np.arange(n), 100.0 + np.arange(n)


def visited(batches, rng=None):
    """Return the numbers of the rows batch by batch; X, Y and weight must agree on them."""
    seen = []
    for X, Y, weight, total in batches.epoch(rng):
        X = X.toarray() if sparse.issparse(X) else X
        assert np.array_equal(X, np.column_stack([Y, -Y]))
        assert weight is None or np.array_equal(weight, 100 + Y)
        assert total == (len(Y) if weight is None else weight.sum())
        seen.append(Y.tolist())
    return seen


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@given(n=sizes, batch_size=sizes, rng=orders, weighted=st.booleans())
def test_every_row_once(kind, n, batch_size, rng, weighted):
    X, Y, weight = numbered(n, kind)
    batches = Batches(X, Y, weight if weighted else None, batch_size)
    for _ in range(2):  # buffers are used again
        seen = visited(batches, rng)
        assert sorted(chain(*seen)) == list(range(n))
        assert len(seen) == len(batches)
        assert {len(batch) for batch in seen[:-1]} <= {batch_size}
        assert 1 <= len(seen[-1]) <= batch_size


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@given(data=st.data(), batch_size=sizes, rng=orders)
def test_the_chosen_rows_once(kind, data, batch_size, rng):
    rows = data.draw(st.lists(st.integers(0, 19), min_size=1, unique=True))
    X, Y, weight = numbered(20, kind)
    batches = Batches(X, Y[rows], weight[rows], batch_size, np.array(rows))
    seen = list(chain(*visited(batches, rng)))
    assert sorted(seen) == sorted(rows)
    if rng is None:
        assert seen == rows
    assert batches.n == len(rows)
    assert batches.weight_sum() == 100 * len(rows) + sum(rows)


def test_without_generator_the_order_stays():
    assert visited(Batches(*numbered(5), 2)) == [[0, 1], [2, 3], [4]]


def test_shuffling_is_repeatable_and_changes_every_epoch():
    batches, rng = Batches(*numbered(50), 10), np.random.default_rng(0)
    first, second = visited(batches, rng), visited(batches, rng)
    assert first != second
    assert visited(Batches(*numbered(50), 10), np.random.default_rng(0)) == first


def test_all_orders_are_equally_likely():
    batches, rng = Batches(*numbered(3), 3), np.random.default_rng(0)
    orders = [tuple(visited(batches, rng)[0]) for _ in range(600)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6
    assert np.abs(np.array(counts) - 100).max() < 5 * np.sqrt(100 * 5 / 6)


@pytest.mark.parametrize("rng", [None, np.random.default_rng(0)])
def test_small_batches_are_cut_from_blocks(rng):
    n, batch_size = BLOCK_NUMBERS + 6, 3  # some blocks, and a remainder
    Y = np.arange(n)
    seen = [
        (X[:, 0].tolist(), Y.tolist())
        for X, Y, *_ in Batches(np.column_stack([Y, -Y]).astype(float), Y, None, batch_size).epoch(
            rng
        )
    ]
    assert all(X == Y for X, Y in seen)
    assert [len(Y) for _, Y in seen] == [batch_size] * (n // batch_size) + [n % batch_size]
    assert sorted(chain(*(Y for _, Y in seen))) == list(range(n))


def test_data_are_read_only(rng):
    X, Y, weight = numbered(7)
    for A in (X, Y, weight):
        A.flags.writeable = False
    assert sorted(chain(*visited(Batches(X, Y, weight, 3), rng))) == list(range(7))


def test_types_and_shapes_stay(rng):
    X, Y = np.ones((6, 2), "float32"), np.ones((6, 3), "float32")
    for X_batch, Y_batch, weight, _ in Batches(X, Y, None, 4).epoch(rng):
        assert X_batch.dtype == Y_batch.dtype == np.float32
        assert X_batch.shape == (len(Y_batch), 2)
        assert Y_batch.shape[1] == 3
        assert weight is None


@pytest.mark.parametrize("batch_size", [3, BLOCK_NUMBERS])
def test_shuffled_batches_share_one_buffer(batch_size, rng):
    n = 5 * BLOCK_NUMBERS
    batches = Batches(np.zeros((n, 2)), np.zeros(n), None, batch_size)
    addresses = [X.ctypes.data for X, *_ in batches.epoch(rng)]
    assert max(addresses) - min(addresses) < 8 * max(BLOCK_NUMBERS, 2 * batch_size)


@pytest.mark.parametrize(("batch_size", "rows"), [(4, 16), (16, 16), (100, 100)])
@pytest.mark.parametrize(("n_in", "n_out"), [(1, BLOCK_NUMBERS // 16), (BLOCK_NUMBERS // 16, 1)])
def test_a_block_is_as_long_as_the_wider_of_inputs_and_targets_allows(
    batch_size, rows, n_in, n_out
):
    X, Y = np.zeros((200, n_in)), np.zeros((200, n_out))
    batches = Batches(X, Y, None, batch_size)
    assert [buffer.shape for buffer in batches._buffers[:2]] == [(rows, n_in), (rows, n_out)]


@pytest.mark.parametrize("rng", [None, np.random.default_rng(0)])
def test_doubles_are_rounded_batch_by_batch(rng):
    X, Y = np.random.default_rng(1).normal(size=(7, 2)), np.arange(7)
    for X_batch, Y_batch, *_ in Batches(X, Y, None, 3, dtype="float32").epoch(rng):
        assert X_batch.dtype == np.float32
        assert np.array_equal(X_batch, X.astype("float32")[Y_batch])


def test_weight_sum():
    X, Y, weight = numbered(4)
    assert Batches(X, Y, None, 2).weight_sum() == 4
    assert Batches(X, Y, weight, 2).weight_sum() == 406
    assert Batches(X, Y[[1, 3]], None, 2, rows=np.array([1, 3])).weight_sum() == 2
    assert isinstance(Batches(X, Y, weight.astype("f"), 2).weight_sum(), float)


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [None, np.arange(1, 90, 2)], ids=["all", "some"])
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_columns_are_scaled_on_the_way(convert, rows, dtype, shuffled, rng):
    X = convert(rng.normal(50, 10, size=(90, 4)).astype(dtype))
    before = X.copy()
    shift = np.array([50.0, 0.0, -3.0, 1.0]) if convert is np.asarray else np.zeros(4)
    scaling = Scaling(shift, np.array([10.0, 1.0, 2.0, 1e4]))
    used = np.arange(90) if rows is None else rows
    order = np.random.default_rng(0) if shuffled else None
    batches = Batches(X, used, None, 7, rows, dtype, scaling)
    seen, numbers = zip(*((B.copy(), Y.copy()) for B, Y, *_ in batches.epoch(order)), strict=True)
    dense = [B.toarray() if sparse.issparse(B) else B for B in seen]
    A = (before.toarray() if sparse.issparse(before) else before).astype(float)
    expected = ((A - scaling.shift) / scaling.scale)[np.concatenate(numbers)]
    np.testing.assert_allclose(np.vstack(dense), expected, rtol=1e-5, atol=1e-6)
    assert np.vstack(dense).dtype == dtype
    unchanged = before != X
    assert not (unchanged.nnz if sparse.issparse(X) else unchanged.any())
