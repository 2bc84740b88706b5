"""Collects, draws, renders, writes."""

from pathlib import Path

from dglgan_tf import atomic
from dglgan_tf.reporting import collect, page


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
    protocols = {tuple(found["metrics"]) for found in recipes if found["scores"]}
    if len(protocols) > 1:
        raise ValueError(
            f"runs were measured by different protocols {sorted(protocols)}: measure "
            "them alike before comparing"
        )
    drawn = {}
    if with_pictures and recipes[0]["networks"]:
        from dglgan_tf.reporting import pictures

        drawn = pictures.draw(recipes[0]["networks"], recipes[0]["class_names"])
    atomic.write(out, page.render(recipes, drawn))
    return Path(out)
