"""The deterministic weights of the metric fixtures (recipe of their README)."""

import zlib

import numpy as np


def weight(key: str, shape, salt: str = "metrics-A/") -> np.ndarray:
    """Returns the tensor of a state-dict key, PyTorch's order."""
    seed = zlib.crc32((salt + key).encode("utf-8"))
    rng = np.random.Generator(np.random.PCG64(seed))
    if key.endswith("num_batches_tracked"):
        return np.int64(0)
    n = rng.standard_normal(shape)
    if key.endswith("running_var"):
        n = 0.5 + np.abs(n)
    elif key.endswith("running_mean") or key.endswith("bn.bias"):
        n = 0.1 * n
    elif key.endswith("bn.weight"):
        n = 1 + 0.1 * n
    elif key == "fc.weight":
        n = n * 2 / np.sqrt(2048)
    elif key == "fc.bias":
        n = 0.5 * n
    elif key.startswith("lin") and key.endswith(".model.1.weight"):
        n = np.abs(n) / shape[1]
    elif len(shape) == 4:
        n = n - n.mean(axis=(1, 2, 3), keepdims=True)
        n = n * np.sqrt(3 / (shape[1] * shape[2] * shape[3]))
    elif key.endswith(".bias"):
        n = 0.1 * n
    return n.astype(np.float32)


def state_dict(keys: dict) -> dict[str, np.ndarray]:
    """Returns all tensors of {'key': {'shape': [...]}} as the fixtures list them."""
    return {key: weight(key, value["shape"]) for key, value in keys.items()}
