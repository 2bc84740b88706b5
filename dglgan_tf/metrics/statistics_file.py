"""Statistics of real images in files: other packages' `.npz`, and the own cache.

pytorch-fid and clean-fid store `mu` and `sigma`; clean-fid's files for KID store
`feats`.
"""

import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dglgan_tf.foundation import atomic, npz_files
from dglgan_tf.metrics import collector, frechet


def read(path) -> tuple[frechet.Moments | None, np.ndarray | None]:
    """Returns (moments, features [N, D]) of an `.npz` file; what it lacks is None.

    Raises:
      ValueError: not such a file.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"no statistics at {path}: give an .npz file of pytorch-fid or clean-fid, "
            "or one that evaluate --save_stats wrote"
        )
    npz_files.check(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
    except (ValueError, OSError, AttributeError, EOFError) as error:
        raise ValueError(f"{path} is not an .npz file of arrays ({error})") from error
    if "mu" in held and "sigma" in held:
        mean, covariance = (held[n].astype(np.float64) for n in ("mu", "sigma"))
        if mean.ndim != 1 or covariance.shape != (mean.size, mean.size):
            raise ValueError(
                f"{path} holds mu {list(mean.shape)} and sigma "
                f"{list(covariance.shape)}, which do not fit together"
            )
        count = int(held["count"]) if "count" in held else 0
        return frechet.Moments(mean, covariance, count), held.get("feats")
    if "feats" in held and held["feats"].ndim == 2:
        return None, held["feats"]
    raise ValueError(
        f"{path} holds {sorted(held)}, neither mu and sigma (FID) nor feats (KID)"
    )


def write(path, moments: frechet.Moments) -> None:
    """Writes mu [D] and sigma [D, D] as pytorch-fid and clean-fid read them; atomic."""
    stream = io.BytesIO()
    np.savez(stream, mu=moments.mean, sigma=moments.covariance, count=moments.count)
    atomic.write(path, stream.getvalue())


def cache_key(facts: dict) -> str:
    """Returns the name of a cache entry: what decides the statistics, hashed."""
    text = json.dumps(facts, sort_keys=True, default=str)
    return f"reals-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def cached(
    folder, facts: dict, fill: Callable[[Path], collector.Collector], needs, dimension
) -> collector.Collector:
    """Returns a collector from the cache, or fills one and caches it.

    The entry is made beside its final place and renamed when it is whole, so that a
    stopped process leaves nothing that another could take for statistics.

    Args:
      folder: the cache.
      facts: everything that decides the content, data fingerprint included.
      fill: (folder of the entry) to a filled collector whose file lies there.
      needs, dimension: of the collector.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    entry = folder / cache_key(facts)
    if not entry.is_dir():
        with atomic.scratch(folder, "reals") as temporary:
            made = fill(temporary)
            made.save(temporary)
            made.close()
            text = json.dumps(facts, indent=2, sort_keys=True, default=str)
            (temporary / "facts.json").write_text(text + "\n")
            try:
                os.rename(temporary, entry)
            except OSError:
                if not entry.is_dir():  # else another process was faster
                    raise
    return collector.Collector.load(needs, dimension, entry)
