"""Widths for a limit: below it, near it, legal, in proportion."""

import math

import pytest

from dglgan_tf.narrowing import solver


def _products(widths):
    """Costs of a chain of 3x3 convolutions at 4, 8, 16, ... pixels."""
    pairs = zip(widths, [*widths[1:], 3], strict=True)
    return sum(9 * a * b * 16 * 4**i for i, (a, b) in enumerate(pairs))


@pytest.mark.parametrize("share", [0.9, 0.5, 0.25, 0.2, 0.1, 0.03])
@pytest.mark.parametrize("whole", [(512, 512, 256, 128, 64), (64, 64, 64, 64)])
def test_lands_within_two_percent_below(whole, share):
    limit = share * _products(whole)
    asked = []

    def cost(widths):
        asked.append(widths)
        return _products(widths)

    found = solver.solve(whole, [1] * len(whole), limit, cost)
    assert 0.98 * limit <= _products(found) <= limit
    assert all(1 <= a <= b for a, b in zip(found, whole, strict=True))
    assert len(asked) == len(set(asked)) <= 30
    ratios = [a / b for a, b in zip(found, whole, strict=True)]
    assert max(ratios) < min(ratios) + 0.15  # in proportion
    assert sum(ratios) / len(ratios) == pytest.approx(math.sqrt(share), rel=0.2)


def test_large_networks_keep_multiples_of_eight():
    whole = (512, 512, 256, 128, 64)
    found = solver.solve(whole, [1] * 5, 0.3 * _products(whole), _products)
    assert all(width % 8 == 0 for width in found)


def test_kept_and_least_widths_are_obeyed():
    whole, limit = (64, 64, 64, 64), 0.2 * _products((64,) * 4)
    found = solver.solve(whole, [1, 1, 40, 1], limit, _products, keep=(0,))
    assert found[0] == 64 and found[2] >= 40
    assert 0.98 * limit <= _products(found) <= limit


def test_limits_that_nothing_or_everything_meets():
    with pytest.raises(ValueError, match="even widths .* cost 144, more than"):
        solver.solve((8, 8), (1, 1), 143.0, lambda w: 9 * 16.0 * w[0] * w[1])
    assert solver.solve((8, 8), (1, 1), 1e9, _products) == (8, 8)


def test_where_width_hardly_costs_it_is_not_given_away():
    """Times that lie close together: the narrowest network is near the limit too."""
    whole = (64, 64, 32)

    def cost(widths):
        return 100 + 5 * math.sqrt(sum(widths) / sum(whole))

    found = solver.solve(whole, (1, 1, 1), 102.5, cost, tolerance=0.1, steps=(8,))
    assert cost(found) <= 102.5
    assert sum(found) > 0.15 * sum(whole)
