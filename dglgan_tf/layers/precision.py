"""Reduced precision in the highest resolutions (StyleGAN2-ADA, appendix B).

The blocks with the largest maps, where time and memory go, compute in bfloat16 or
float16; the others, variables, style vectors, moments, image sums and logits stay
float32. What leaves a layer is clamped, so that float16 does not overflow.
"""

from dglgan_tf.compat import keras, tf

DTYPES = ("float32", "bfloat16", "float16")
CLAMP = 256.0  # of activations, where a network has no clamp of its own


def check(reduced_dtype: str, reduced_resolutions: int) -> None:
    """Raises ValueError for another type, or a count below 0."""
    if reduced_dtype not in DTYPES:
        raise ValueError(f"reduced_dtype={reduced_dtype!r} must be one of {DTYPES}")
    if not isinstance(reduced_resolutions, int) or reduced_resolutions < 0:
        raise ValueError(
            f"reduced_resolutions={reduced_resolutions!r} must be an integer >= 0"
        )


def dtypes(sides, reduced_dtype: str, reduced_resolutions: int) -> dict[int, str]:
    """Returns {side: type}: the largest `reduced_resolutions` of them are reduced."""
    check(reduced_dtype, reduced_resolutions)
    largest = sorted(sides)[::-1][:reduced_resolutions]
    return {side: reduced_dtype if side in largest else "float32" for side in sides}


def is_reduced(dtype) -> bool:
    """Whether a type is one of the two short ones."""
    return tf.as_dtype(dtype) in (tf.bfloat16, tf.float16)


def clamp_at(dtype: str, clamp: float | None) -> float | None:
    """Returns a network's own clamp, or the usual one where the type is reduced."""
    return CLAMP if clamp is None and is_reduced(dtype) else clamp


def follow_inputs(network: keras.layers.Layer) -> None:
    """Lets each layer compute in the type of its input; Keras would cast it back."""
    for layer in network.submodules:
        if isinstance(layer, keras.layers.Layer):
            layer._autocast = False
