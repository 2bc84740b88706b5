"""Time and memory of the metrics' maths, apart from any network.

    python benchmarks/metric_maths.py                    50,000 x 2048, everything
    python benchmarks/metric_maths.py --images=5000 --only=fid,kid,is
    python benchmarks/metric_maths.py --memory           2,000 against 20,000 images

Prints one JSON line a result: on a busy machine `cpu_seconds` (with
OPENBLAS_NUM_THREADS=1) says more than `seconds`. Features are random, correlated and
non-negative.
"""

import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import app, flags

_IMAGES = flags.DEFINE_integer("images", 50_000, "Rows of each set.")
_DIMENSION = flags.DEFINE_integer("dimension", 2048, "Numbers in a row.")
_ONLY = flags.DEFINE_list("only", ["fid", "kid", "is", "pr", "dc"], "What to time.")
_MEMORY = flags.DEFINE_bool("memory", False, "Measure the evaluator's memory instead.")


def features(seed: int, count: int, dimension: int):
    """Yields blocks [<= 1000, dimension] float32."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((64, dimension)).astype(np.float32) / 8
    rng = np.random.default_rng(seed + 1)
    for start in range(0, count, 1000):
        size = min(1000, count - start)
        hidden = rng.standard_normal((size, 64), np.float32)
        noise = rng.standard_normal((size, dimension), np.float32)
        yield np.maximum(hidden @ mixing + 0.3 * noise + 0.02 * seed, 0)


def report(what: str, seconds: float, **facts) -> None:
    """Prints one JSON line."""
    line = {"what": what, "seconds": round(seconds, 2), **facts}
    line["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(line), flush=True)


def time_maths(folder) -> None:
    """Times each metric on two sets of features in files."""
    from dglgan_tf.metrics import feature_store, frechet, inception_score, kernel
    from dglgan_tf.metrics import precision_recall as manifolds

    count, dimension = _IMAGES.value, _DIMENSION.value
    stores = []
    for seed in (0, 1):
        store = feature_store.FeatureStore(Path(folder) / str(seed), dimension)
        for block in features(seed, count, dimension):
            store.append(block)
        stores.append(store)
    fake, real = (store.select(range(count)) for store in stores)

    def fid():
        found = []
        for rows in (fake, real):
            stream = frechet.StreamingMoments(dimension)
            for block in rows.blocks():
                stream.update(block)
            found.append(stream.result())
        return frechet.distance(*found)

    def kid():
        size = min(1000, count)
        indices = kernel.subset_indices(count, count, 100, size, 2020)
        return float(kernel.subsets_mmd2(fake.rows, real.rows, indices).mean())

    def inception():
        rng = np.random.default_rng(5)
        stream = inception_score.StreamingScore(count)
        for start in range(0, count, 1000):
            size = min(1000, count - start)
            stream.update(rng.standard_normal((size, 1008), np.float32) * 3)
        return stream.result()[0]

    timed = {
        "fid": fid,
        "kid": kid,
        "is": inception,
        "pr": lambda: manifolds.precision_recall(fake, real, 3),
        "dc": lambda: manifolds.density_coverage(fake, real, 5),
    }
    for name in _ONLY.value:
        started, used = time.monotonic(), time.process_time()
        value = timed[name]()
        used = round(time.process_time() - used, 2)
        report(
            name,
            time.monotonic() - started,
            cpu_seconds=used,
            images=count,
            dimension=dimension,
            value=value,
        )


def measure_memory() -> None:
    """Peak memory of the evaluator at 2,000 and 20,000 images (FID and KID)."""
    from dglgan_tf.metrics import evaluator, image_sets, scoring

    def generate(z, labels):
        del labels
        return np.tanh(np.resize(z, (len(z), 32, 32, 1)))

    def batches():
        rng = np.random.default_rng(0)
        for _ in range(400):
            yield rng.integers(0, 256, (50, 32, 32, 1), np.uint8), None

    for count in (2_000, 20_000):
        started = time.monotonic()
        judge = evaluator.Evaluator(
            image_sets.StoredImages(batches),
            [f"fid{count}", f"kid{count}"],
            extractor="efficientnet_lite0",
            settings=scoring.Settings(kid_subsets=4),
            extractor_arguments={"efficientnet_lite0": {"input_size": 32}},
        )
        judge.evaluate(image_sets.GeneratedImages(generate, 64))
        judge.close()
        report("evaluator", time.monotonic() - started, images=count)


def main(argv) -> None:
    """Runs what the flags say."""
    del argv
    if _MEMORY.value:
        measure_memory()
        return
    with tempfile.TemporaryDirectory() as folder:
        time_maths(folder)


if __name__ == "__main__":
    app.run(main)
