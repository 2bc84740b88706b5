"""Puts generators and data before the metrics: what `evaluate` and training share.

Generators are always judged in inference mode, on the averaged weights where a file has
them: their batch norms use stored moments, or standing statistics computed here.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import gin
import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.config import gin_files
from dglgan_tf.data import base as data_base
from dglgan_tf.data import pipeline, sources
from dglgan_tf.deploy import exported
from dglgan_tf.devices import lanes
from dglgan_tf.foundation import run_directory, sentences
from dglgan_tf.layers import conditional_norm
from dglgan_tf.metrics import image_sets, path_length, statistics_file
from dglgan_tf.native import library
from dglgan_tf.networks import base
from dglgan_tf.sampling import sampler

STANDING_PASSES = 16  # as BigGAN's authors do
BATCH_NORMS = ("running", "standing")


def stored_images(
    source: data_base.Source,
    num_channels: int | None = None,
    mirror: bool = False,
    batch_size: int = 64,
    seed: int = 0,
) -> image_sets.StoredImages:
    """Returns a data set for metrics, in the order of a seed.

    Args:
      source: images and labels.
      num_channels: 3 repeats grey images; None keeps the source's.
      mirror: flip each image left to right with probability 1/2 (always the same
        ones), as trainings with mirror augmentation do.
      batch_size: images at a time.
      seed: of order and flips.
    """

    def batches() -> Iterator:
        rng = np.random.default_rng(seed)
        for pixels, labels in pipeline.image_batches(
            source, batch_size, seed=seed, num_channels=num_channels
        ):
            if mirror:
                flipped = rng.random(len(pixels)) < 0.5
                pixels = np.where(
                    flipped[:, None, None, None], pixels[:, :, ::-1], pixels
                )
            yield pixels, labels

    protocol = {
        "data": source.name,
        "images": source.num_examples,
        "mirror": mirror,
        "order_seed": seed,
    }
    return image_sets.StoredImages(batches, protocol, source.fingerprint())


def image_file(path) -> image_sets.StoredImages:
    """Returns the images of an `.npz` file (`images` or `arr_0`, uint8 [N,H,W,C]).

    Raises:
      ValueError: no such file or no such array.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no images at {path}: give an .npz file, a folder or a zip")
    try:
        loaded = np.load(path, allow_pickle=False)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is no .npz file of arrays: {error}") from error
    with loaded as file:
        name = next((n for n in ("images", "arr_0") if n in file.files), None)
        if name is None:
            raise ValueError(
                f"{path} holds {file.files} and no `images` [N, H, W, C] uint8"
            )
        pixels = file[name]
        labels = file["labels"] if "labels" in file.files else None
    if pixels.ndim != 4 or pixels.dtype != np.uint8:
        raise ValueError(
            f"{path}: `{name}` is {pixels.dtype} {list(pixels.shape)}, not uint8 "
            "[N, H, W, C]"
        )

    def batches() -> Iterator:
        for start in range(0, len(pixels), 64):
            part = slice(start, start + 64)
            yield pixels[part], None if labels is None else labels[part]

    digest = hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()[:16]
    return image_sets.StoredImages(batches, {"file": path.name}, digest)


def open_images(name: str, **arguments) -> image_sets.StoredImages:
    """Returns what a path or name means: an `.npz` of images, or a data source."""
    if str(name).endswith(".npz"):
        return image_file(name)
    return stored_images(sources.open_source(name), **arguments)


def statistics(path) -> image_sets.StoredStatistics:
    """Returns the statistics of an `.npz` file of pytorch-fid, clean-fid or ours."""
    moments, features = statistics_file.read(path)
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    return image_sets.StoredStatistics(
        moments, features, {"statistics": Path(path).name}, digest
    )


def source_of_run(run_dir) -> data_base.Source:
    """Returns the data that a run was trained on, from its `config.gin`.

    The configuration replaces what gin knew before; its names must be registered.

    Raises:
      ValueError: no run, or its data cannot be told.
    """
    path = Path(run_dir) / "config.gin"
    if not path.is_file():
        raise ValueError(
            f"{run_dir} is no run (it has no config.gin): name another, or give "
            "--network and --data"
        )
    with gin.unlock_config():
        gin.clear_config()
        gin_files.parse([str(path)], [])
    try:
        reference = gin.query_parameter("train.source")
        return reference.scoped_configurable_fn()
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f"{path} does not say which data it used ({sentences.sentence(error)}): "
            "give --data"
        ) from error


def class_weights(source: data_base.Source, num_classes: int) -> np.ndarray | None:
    """Returns how often each class occurs; None where all do equally, or none is.

    NVIDIA's tools draw labels from the data, BigGAN's uniformly.
    """
    if not num_classes or source.num_classes != num_classes:
        return None
    counts = np.bincount(source.labels, minlength=num_classes)
    return None if (counts == counts[0]).all() else counts


def subject(
    name: str,
    truncation: float | None = None,
    noise: str | None = None,
    batch_norm: str = "running",
    weights: np.ndarray | None = None,
    batch_size: int = 64,
    strategy: tf.distribute.Strategy | None = None,
) -> image_sets.GeneratedImages:
    """Returns a generator to be judged.

    Args:
      name: a run directory, a `.safetensors` file, `bundled/NAME`, a SavedModel,
        or a .tflite or .onnx file of an export.
      truncation: see `sampler.Facts.truncation`; None = none.
      noise: of a StyleGAN2: 'random' (None means that, as NVIDIA's metrics do),
        'const' or 'none'.
      batch_norm: 'running' uses the stored moments, 'standing' replaces them by means
        over 16 training-mode passes first.
      weights: how often each class is drawn; None = equally.
      batch_size: images at a time, over all replicas.
      strategy: spreads a batch over its replicas; None = one device.

    Raises:
      ValueError: no such network, or an option that it does not have.
    """
    if batch_norm not in BATCH_NORMS:
        raise ValueError(f"batch_norm={batch_norm!r} must be one of {BATCH_NORMS}")
    strategy = strategy or tf.distribute.get_strategy()
    made, network, facts, protocol = _open(name, noise, strategy)
    sampler.check_truncation(truncation, facts)
    protocol["truncation"] = truncation
    if network is None:
        generate, path = _of_saved_model(made, truncation), None
    else:
        protocol |= _statistics(network, batch_norm, batch_size)
        sampler.prepare(network)
        generate = replicated(network, truncation, facts.noise, strategy)
        path = halves(network) if sampler.has_styles(network) else None
    if facts.noise != "none":
        protocol["noise"] = facts.noise
    return image_sets.GeneratedImages(
        generate,
        facts.z_dim,
        facts.num_classes,
        weights,
        batch_size,
        protocol,
        path,
    )


def _open(name, noise, strategy):
    """Returns (sampler of an export, None) or (None, network); facts, protocol."""
    if exported.is_export(name):
        made = sampler.load(name, noise)
        return made, None, made.facts, {"network": str(name), "weights": "exported"}
    with strategy.scope():
        network, info = sampler.load_generator(name)
    wanted = (noise or "random") if sampler.has_styles(network) else "const"
    facts = sampler.generator_facts(network, wanted)
    protocol = {"network": Path(info["file"]).name, "weights": info["role"]}
    return None, network, facts, protocol


def _statistics(network, batch_norm, batch_size) -> dict:
    """Computes standing statistics if asked; returns what the protocol says."""
    if not conditional_norm.batch_statistics(network):
        return {}
    if batch_norm == "standing":
        standing_statistics(network, batch_size)
    return {"batch_norm": batch_norm}


def standing_statistics(network: base.Generator, batch_size: int, seed: int = 0):
    """Replaces a generator's moments by means over training-mode passes."""
    feeder = image_sets.GeneratedImages(
        network, network.z_dim, network.num_classes, batch_size=batch_size
    )
    batches = feeder.latents(STANDING_PASSES * batch_size, False, seed)
    conditional_norm.accumulate_statistics(network, _tensors(batches))


def _tensors(batches):
    for z, labels in batches:
        yield tf.constant(z), None if labels is None else tf.constant(labels)


def _of_saved_model(made, truncation) -> Callable:
    def generate(z, labels):
        labels = None if labels is None else tf.constant(labels)
        return made.generate(tf.constant(z), labels, truncation, _noise_seed(z))

    return generate


def _noise_seed(z) -> tf.Tensor:
    """A seed for noise inside the network that follows from the latents alone."""
    return tf.constant(np.ascontiguousarray(z[0, :2]).view(np.int32))


def replicated(network, truncation, noise, strategy) -> Callable:
    """Returns (z, labels) -> images, spread over a strategy's replicas.

    Args:
      network: a generator, made under the strategy's scope.
      truncation, noise: see `sampler.generate`.
      strategy: batches that its replicas do not divide run on one of them.
    """

    def part(z, labels):
        seed = tf.bitcast(z[0, :2], tf.int32)  # of noise: follows from the latents
        return sampler.generate(network, z, labels, truncation, noise, seed)

    one = tf.function(lanes.spread(library.traced(part)), reduce_retracing=True)

    def generate(z, labels):
        replicas = strategy.num_replicas_in_sync
        if replicas == 1 or len(z) % replicas:
            labels = None if labels is None else tf.constant(labels)
            return one(tf.constant(z), labels).numpy()
        parts = [np.split(z, replicas)]
        parts.append(
            [None] * replicas if labels is None else np.split(labels, replicas)
        )
        return _spread(strategy, one, *parts)

    return generate


def _spread(strategy, function, z, labels):
    """Runs one part on each replica and joins the images. Context: *cross-replica*."""

    def values(parts):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group])
        )

    given = (values(z), None if labels[0] is None else values(labels))
    made = strategy.run(function, given)
    found = strategy.experimental_local_results(made)
    return np.concatenate([part.numpy() for part in found])


def halves(network) -> path_length.Path:
    """The two halves of a StyleGAN2; its stored noise is the same at both ends."""
    mapping = tf.function(network.map, reduce_retracing=True)
    synthesis = tf.function(
        lambda w: network.synthesize(w, noise="const"), reduce_retracing=True
    )
    return path_length.Path(
        lambda z, labels: mapping(
            tf.constant(z), None if labels is None else tf.constant(labels)
        ),
        lambda w, labels: synthesis(tf.constant(w)),
    )


def images_seen(path) -> int | None:
    """Returns how many images a snapshot had seen; None where it does not say."""
    from dglgan_tf.networks import files

    counters = files.read_header(path).get("counters", {})
    return counters.get("images")


def checkpoints(run_dir, which: str, best_name: str | None = None) -> list[Path]:
    """Returns the snapshots of a run that `all`, `latest` or `best` mean.

    Args:
      run_dir: folder of the run.
      which: 'all', 'latest' or 'best' (by the scores in the folder).
      best_name: file name of the best one, for 'best'.

    Raises:
      ValueError: no snapshot.
    """
    run = run_directory.RunDirectory(run_dir)
    folder = Path(run_dir) / "best"
    kept = run_directory.RunDirectory(folder).snapshots() if folder.is_dir() else []
    newest = {path.name: path for path in [*kept, *run.snapshots()]}
    found = [newest[name] for name in sorted(newest)]
    if not found:
        raise ValueError(f"no snapshot in {run_dir}: train first")
    if which == "latest":
        return found[-1:]
    if which == "best":
        if best_name not in newest:
            raise ValueError(
                f"the best snapshot {best_name} is not in {run_dir} any more: raise "
                "Schedule.keep_snapshots, or evaluate the others"
            )
        return [newest[best_name]]
    return found
