"""Widths for a cost: the widest network that costs no more than a limit."""

import math
from collections.abc import Callable, Sequence

STEPS = (8, 4, 2, 1)  # widths that are multiples of 8 run best


def solve(
    whole: Sequence[int],
    least: Sequence[int],
    limit: float,
    cost: Callable[[tuple[int, ...]], float],
    tolerance: float = 0.02,
    keep: Sequence[int] = (),
    steps: Sequence[int] = STEPS,
) -> tuple[int, ...]:
    """Returns widths in proportion to the whole ones, just below a limit.

    All widths are scaled by one factor and rounded to multiples of a step; then single
    widths grow by one step each where the limit allows it. The largest step that comes
    within the tolerance wins; where none does, the costliest network below the limit.

    Args:
      whole: widths of the uncompressed network.
      least: smallest widths allowed, each at most its whole one.
      limit: largest cost allowed.
      cost: of widths; rises with each of them. Called once for each candidate.
      tolerance: how far below the limit is near enough, as a share of it.
      keep: indices of widths that stay whole.
      steps: tried in this order.

    Raises:
      ValueError: the narrowest network costs more than the limit.
    """
    known: dict[tuple[int, ...], float] = {}

    def priced(widths):
        if widths not in known:
            known[widths] = cost(widths)
        return known[widths]

    whole = tuple(whole)
    least = tuple(
        w if i in keep else low
        for i, (w, low) in enumerate(zip(whole, least, strict=True))
    )
    if priced(whole) <= limit:
        return whole
    if priced(least) > limit:
        raise ValueError(
            f"even widths {list(least)} cost {priced(least):.4g}, more than the limit "
            f"{limit:.4g}: allow more, or make smaller what widths do not change "
            "(mapping network, embeddings, kept widths)"
        )
    best = least
    fine = max(whole) // 16  # a coarser step of narrow networks lands by luck only
    for step in [s for s in steps if s <= fine] or steps[-1:]:
        found = _scaled(whole, least, limit, priced, tolerance, step)
        found = _filled(found, whole, keep, limit, priced, tolerance, step)
        if best == least or priced(found) > priced(best):
            best = found
        if priced(best) >= (1 - tolerance) * limit:
            break
    return best


def _scaled(whole, least, limit, priced, tolerance, step, rounds: int = 12):
    """Returns the widest multiple of the whole widths below the limit.

    The square root of the cost is nearly linear in the factor, because products run
    over two widths: regula falsi on it takes a few candidates.
    """

    def at(factor):
        return tuple(
            w if w == low else max(low, min(w, round(w * factor / step) * step))
            for w, low in zip(whole, least, strict=True)
        )

    below, above = 0.0, 1.0
    low, high = at(below), whole
    if priced(low) > limit:
        return least
    for turn in range(rounds):
        near = [math.sqrt(priced(widths)) for widths in (low, high)]
        share = (math.sqrt(limit) - near[0]) / max(near[1] - near[0], 1e-9)
        if turn % 3 == 2:
            share = 0.5  # keeps one end from standing still
        factor = below + (above - below) * min(max(share, 0.02), 0.98)
        found = at(factor)
        if priced(found) <= limit:
            below, low = factor, found
        else:
            above, high = factor, found
        # Where width hardly costs, the narrowest is near the limit, and no answer.
        near_enough = below > 0 and (1 - tolerance) * limit <= priced(low)
        if near_enough or at(below) == at(above):
            break
    return low


def _filled(found, whole, keep, limit, priced, tolerance, step):
    """Widens places to the next multiple: the relatively narrowest first, or last."""
    places = [i for i in range(len(found)) if i not in keep]
    places.sort(key=lambda i: found[i] / whole[i])
    best = found
    for order in (places, places[::-1]):
        wider = _widened(found, order, whole, limit, priced, tolerance, step)
        best = max(best, wider, key=priced)
        if priced(best) >= (1 - tolerance) * limit:
            break
    return best


def _widened(found, places, whole, limit, priced, tolerance, step):
    for place in places:
        if priced(found) >= (1 - tolerance) * limit:
            break
        width = (found[place] // step + 1) * step
        wider = (*found[:place], width, *found[place + 1 :])
        if width <= whole[place] and priced(wider) <= limit:
            found = wider
    return found
