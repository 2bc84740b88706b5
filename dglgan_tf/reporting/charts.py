"""Line and scatter charts as SVG text: sharp in print, coloured by the page's style."""

import html
import math

_WIDTH, _HEIGHT = 420, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 32, 42
_LETTER = 7.2  # px, width of a letter of the legend


def lines(title: str, series: dict) -> str:
    """Returns a line chart.

    Args:
      title: read out by screen readers.
      series: {label: [(x, y), ...]}; values that are not finite leave gaps.

    Returns:
      an <svg> element.
    """
    points = [p for line in series.values() for p in line if _finite(p)]
    if not points:
        return ""
    place, axes = _scales(points, "images")
    body, start = [], _LEFT
    for number, (label, line) in enumerate(series.items()):
        path, pen = [], "M"
        for point in line:
            if not _finite(point):
                pen = "M"
                continue
            x, y = place(point)
            path.append(f"{pen}{x:.1f},{y:.1f}")
            pen = "L"
        body.append(f'<path class="line c{number}" d="{"".join(path)}"/>')
        body.append(
            f'<path class="line c{number}" d="M{start:.0f},14h16"/>'
            f'<text class="legend c{number}" x="{start + 21:.0f}" y="18">'
            f"{html.escape(label)}</text>"
        )
        start += 36 + _LETTER * len(label)
    return _svg(title, axes + "".join(body))


def scatter(title: str, points: list[dict], x_label: str) -> str:
    """Returns a scatter chart; smaller is better on both axes.

    Args:
      title: read out by screen readers.
      points: {'label', 'x', 'y'}; dominated ones are greyed.
      x_label: under the axis.

    Returns:
      an <svg> element.
    """
    points = [p for p in points if _finite((p["x"], p["y"]))]
    if not points:
        return ""
    place, axes = _scales([(p["x"], p["y"]) for p in points], x_label)
    body, taken = [], []
    for point in points:
        x, y = place((point["x"], point["y"]))
        kind = "dominated" if dominated(point, points) else "front"
        side = "end" if x > _WIDTH / 2 else "start"
        shift = -8 if side == "end" else 8
        beside = y + 4
        while any(abs(beside - b) < 15 and abs(x - a) < 140 for a, b in taken):
            beside -= 15
        taken.append((x, beside))
        body.append(
            f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
            f'<text class="{kind}" x="{x + shift:.1f}" y="{beside:.1f}" '
            f'text-anchor="{side}">{html.escape(point["label"])}</text>'
        )
    return _svg(title, axes + "".join(body))


def dominated(point: dict, points: list[dict]) -> bool:
    """Whether another point is at least as good on both axes and better on one."""
    return any(
        other["x"] <= point["x"]
        and other["y"] <= point["y"]
        and (other["x"] < point["x"] or other["y"] < point["y"])
        for other in points
    )


def _finite(point) -> bool:
    return all(value is not None and math.isfinite(value) for value in point)


def _scales(points, x_label):
    """Returns (x, y) -> pixels, and the axes' SVG."""
    (x0, x1), (y0, y1) = (_range([p[axis] for p in points]) for axis in (0, 1))
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(point):
        x = _LEFT + width * (point[0] - x0) / (x1 - x0)
        return x, _TOP + height * (y1 - point[1]) / (y1 - y0)

    parts = [
        f'<path class="axis" d="M{_LEFT},{_TOP}V{_TOP + height}H{_WIDTH - _RIGHT}"/>'
    ]
    for value in (y0, (y0 + y1) / 2, y1):
        y = place((x0, value))[1]
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(value)}'
            f'</text><path class="gridline" d="M{_LEFT},{y:.1f}H{_WIDTH - _RIGHT}"/>'
        )
    for value, anchor in ((x0, "start"), (x1, "end")):
        x = place((value, y0))[0]
        parts.append(
            f'<text x="{x:.1f}" y="{_HEIGHT - 24}" text-anchor="{anchor}">'
            f"{_short(value)}</text>"
        )
    parts.append(
        f'<text x="{_LEFT + width / 2}" y="{_HEIGHT - 6}" text-anchor="middle">'
        f"{html.escape(x_label)}</text>"
    )
    return place, "".join(parts)


def _range(values):
    low, high = min(values), max(values)
    if low == high:
        margin = abs(low) * 0.1 or 1.0
    else:
        margin = 0.04 * (high - low)
    return low - margin, high + margin


def _short(value: float) -> str:
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{unit}"
    return f"{value:.3g}"


def _svg(title, body) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{html.escape(title)}">{body}</svg>'
    )
