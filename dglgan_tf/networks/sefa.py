"""Directions that change the image most, in closed form (SeFa)."""

import numpy as np

from dglgan_tf.networks import base, codes


def directions(
    network: base.Generator, layers=None, count: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    """Factorizes the maps that codes are multiplied with.

    Shen and Zhou, Closed-Form Factorization of Latent Semantics in GANs (2021),
    equation 4: the unit vectors n that change A n most are the eigenvectors of the
    largest eigenvalues of A^T A, A being the maps of the chosen layers, stacked.

    Args:
      network: a StyleGAN2 or BigGAN generator.
      layers: indices of codes (see `networks.codes`) that move together; None = all.
      count: how many directions, at most the length of a code.

    Returns:
      directions [count, D] float32 of length 1, their largest value positive;
      eigenvalues [count], falling.

    Raises:
      ValueError: a layer that there is not, or too many directions.
    """
    maps = codes.directions_of(network)
    layers = range(len(maps)) if layers is None else list(layers)
    wrong = [layer for layer in layers if not 0 <= layer < len(maps)]
    if wrong or not len(layers):
        raise ValueError(
            f"layers={list(layers)} must be from 0 to {len(maps) - 1}, at least one"
        )
    stacked = np.concatenate([m for layer in layers for m in maps[layer]], axis=1)
    if not 1 <= count <= len(stacked):
        raise ValueError(f"count={count} must be from 1 to {len(stacked)}")
    matrix = stacked.astype(np.float64) @ stacked.T
    values, vectors = np.linalg.eigh(matrix)
    chosen = vectors[:, ::-1][:, :count].T
    largest = np.abs(chosen).argmax(axis=1)
    chosen *= np.sign(chosen[np.arange(count), largest])[:, None]
    return chosen.astype(np.float32), values[::-1][:count]
