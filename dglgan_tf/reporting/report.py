"""Collects, draws, renders, writes."""

from pathlib import Path

from dglgan_tf.foundation import atomic
from dglgan_tf.reporting import collect, costs, page

# What makes two distances comparable; seeds and versions may differ.
_ALIKE = {
    "extractor",
    "weights_sha256",
    "resize",
    "input_size",
    "num_generated",
    "num_real",
    "subsets",
    "subset_size",
    "real_fingerprint",
}


def write(roots, out, with_pictures: bool = True) -> Path:
    """Writes the report of one or more recipes.

    Args:
      roots: folders of recipes or runs; the report is about the first, the others
        stand beside it in the plots of distance against cost.
      out: the HTML file.
      with_pictures: draw samples of the first recipe's networks.

    Returns:
      the file's path.

    Raises:
      ValueError: a folder without runs, a broken file, two protocols, no jinja2.
    """
    page.require_jinja2()
    recipes = [collect.recipe(root) for root in roots]
    _check_protocols(recipes)
    drawn = {}
    if with_pictures and recipes[0]["networks"]:
        from dglgan_tf.reporting import panels

        drawn = panels.draw(recipes[0]["networks"], recipes[0]["class_names"])
    counted = costs.count(recipes[0]["networks"])
    atomic.write(out, page.render(recipes, drawn, counted))
    return Path(out)


def _check_protocols(recipes) -> None:
    """Raises ValueError where runs were not measured alike."""
    scored = [found for found in recipes if found["scores"]]
    names = {tuple(found["metrics"]) for found in scored}
    if len(names) > 1:
        raise ValueError(
            f"runs were measured by different protocols {sorted(names)}: measure "
            "them alike before comparing"
        )
    for found in scored[1:]:
        for metric, known in found["protocols"].items():
            first = scored[0]["protocols"].get(metric) or {}
            ours, theirs = (k.get("protocol") or {} for k in (first, known))
            for key in sorted(_ALIKE & ours.keys() & theirs.keys()):
                if ours[key] != theirs[key]:
                    raise ValueError(
                        f"{metric} was measured by different protocols: {key} is "
                        f"{ours[key]!r} in {scored[0]['root']} and {theirs[key]!r} in "
                        f"{found['root']}: measure them alike before comparing"
                    )
