"""Batches of one size."""

import numpy as np

from dglgan_tf.foundation import batches


def test_the_last_batch_is_filled_up_from_the_beginning():
    found = [rows.tolist() for rows in batches.filled(5, 3)]
    assert found == [[0, 1, 2], [3, 4, 0]]
    assert [rows.tolist() for rows in batches.filled(2, 5)] == [[0, 1, 0, 1, 0]]
    assert [rows.tolist() for rows in batches.filled(4, 2)] == [[0, 1], [2, 3]]
    for count in range(1, 9):
        rows = np.concatenate(list(batches.filled(count, 3)))[:count]
        np.testing.assert_array_equal(rows, np.arange(count))
