"""BigGAN in float64 NumPy, written from the papers and the project's specification.

Slow and plain on purpose: nothing is folded, images are [N, C, H, W], kernels
[out, in, k, k] and matrices [out, in]. Parameters are read by our attribute paths and
brought into that layout here.
"""

import numpy as np


class Parameters:
    """Arrays by attribute path, in float64, and the epsilons of the network."""

    def __init__(self, arrays, bn_eps, output_bn_eps, sn_eps):
        self.arrays = {n: np.asarray(a, np.float64) for n, a in arrays.items()}
        self.bn_eps, self.output_bn_eps = bn_eps, output_bn_eps
        self.sn_eps = sn_eps
        self.moved = {}

    def __contains__(self, path):
        return path in self.arrays

    def __getitem__(self, path):
        return self.arrays[path]

    def weight(self, path, rows=False):
        """A kernel in PyTorch's layout, divided by one power step's sigma."""
        kernel = self[f"{path}/kernel"]
        if kernel.ndim == 4:
            kernel = kernel.transpose(3, 2, 0, 1)
        elif not rows:
            kernel = kernel.T
        matrix = kernel.reshape(len(kernel), -1)
        u = self[f"{path}/u"]
        v = _unit(u @ matrix, self.sn_eps)
        u = _unit(v @ matrix.T, self.sn_eps)
        self.moved[f"{path}/u"] = u
        return kernel / (v @ matrix.T @ u)

    def bias(self, path):
        return self.arrays.get(f"{path}/bias", 0.0)


def _unit(vector, eps):
    return vector / max(np.sqrt(np.sum(vector**2)), eps)


def convolve(x, weight):
    """Zero-padded convolution of stride 1; weight [out, in, k, k], k 1 or 3."""
    size = weight.shape[2]
    pad = size // 2
    padded = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    y = np.zeros((len(x), len(weight), *x.shape[2:]))
    for i in range(size):
        for j in range(size):
            part = padded[:, :, i : i + x.shape[2], j : j + x.shape[3]]
            y += np.einsum("nihw,oi->nohw", part, weight[:, :, i, j])
    return y


def conv(p, path, x):
    """Spectrally normalised convolution with its bias."""
    return convolve(x, p.weight(path)) + np.reshape(p.bias(path), (-1, 1, 1))


def dense(p, path, x):
    """Spectrally normalised linear layer with its bias."""
    return x @ p.weight(path).T + p.bias(path)


def _relu(x):
    return np.maximum(x, 0)


def upsample(x):
    """Nearest neighbours, twice the size."""
    return x.repeat(2, axis=2).repeat(2, axis=3)


def _blocks_of_four(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2)


def downsample(x):
    """Means of 2x2 blocks."""
    return _blocks_of_four(x).mean(axis=(3, 5))


def attention(p, path, x):
    """theta, phi, g, o; keys and values max-pooled; softmax over keys."""
    n, c, h, w = x.shape
    queries = conv(p, f"{path}/theta", x).reshape(n, c // 8, h * w)
    keys = _blocks_of_four(conv(p, f"{path}/phi", x)).max(axis=(3, 5))
    values = _blocks_of_four(conv(p, f"{path}/g", x)).max(axis=(3, 5))
    keys, values = keys.reshape(n, c // 8, -1), values.reshape(n, c // 2, -1)
    scores = np.einsum("ncq,nck->nqk", queries, keys)
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    gathered = np.einsum("nck,nqk->ncq", values, weights).reshape(n, c // 2, h, w)
    return p[f"{path}/gamma"] * conv(p, f"{path}/o", gathered) + x


def norm(p, path, x, condition, training, eps):
    """BatchNorm; conditional where gain and bias are layers."""
    if training:
        mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
        count = x.size / x.shape[1]
        for name, value in (
            ("mean", mean),
            ("variance", variance * count / (count - 1)),
        ):
            old = p[f"{path}/moments/{name}"]
            p.moved[f"{path}/moments/{name}"] = 0.9 * old + 0.1 * value
    else:
        mean = p[f"{path}/moments/mean"]
        variance = p[f"{path}/moments/variance"]
    shape = (1, -1, 1, 1)
    x = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + eps)
    if f"{path}/gain" in p:
        return x * p[f"{path}/gain"].reshape(shape) + p[f"{path}/bias"].reshape(shape)
    gain, bias = (_affine(p, f"{path}/{part}", condition) for part in ("gain", "bias"))
    return x * (1 + gain)[:, :, None, None] + bias[:, :, None, None]


def _affine(p, path, condition):
    """Spectrally normalised and linear, or one row for each class."""
    if f"{path}/u" in p:
        return condition @ p.weight(path).T
    return condition @ p[f"{path}/kernel"]


def generator(p, z, onehot, blocks, hierarchical, training=False):
    """Images [N, C, H, W] of latents [N, z_dim] and class weights [N, classes]."""
    pieces = np.split(z, blocks + 1, axis=1) if hierarchical else [z]
    shared = "embedding/kernel" in p
    label = onehot @ p["embedding/kernel"] if shared else onehot
    x = dense(p, "linear", pieces[0])
    x = x.reshape(len(z), 4, 4, -1).transpose(0, 3, 1, 2)
    for i in range(blocks):
        parts = ([label] if label is not None else []) + pieces[i + 1 : i + 2]
        condition = np.concatenate(parts, axis=1)
        path = f"blocks/{i}"
        h = _relu(norm(p, f"{path}/norm1", x, condition, training, p.bn_eps))
        h = conv(p, f"{path}/conv1", upsample(h))
        h = _relu(norm(p, f"{path}/norm2", h, condition, training, p.bn_eps))
        x = conv(p, f"{path}/conv2", h) + conv(p, f"{path}/shortcut", upsample(x))
        if f"{path}/attention/gamma" in p:
            x = attention(p, f"{path}/attention", x)
    x = norm(p, "output_norm", x, None, training, p.output_bn_eps)
    return np.tanh(conv(p, "output_conv", _relu(x)))


def discriminator(p, images, onehot, down):
    """Logits [N] of images [N, C, H, W]; `down` says which blocks halve."""
    x = images
    for i, halve in enumerate(down):
        path = f"blocks/{i}"
        h = conv(p, f"{path}/conv1", _relu(x) if i else x)
        h = conv(p, f"{path}/conv2", _relu(h))
        shortcut = x
        if f"{path}/shortcut/kernel" in p:
            shortcut = conv(p, f"{path}/shortcut", x)
        x = downsample(h) + downsample(shortcut) if halve else h + shortcut
        if f"{path}/attention/gamma" in p:
            x = attention(p, f"{path}/attention", x)
    features = _relu(x).sum(axis=(2, 3))
    logits = dense(p, "linear", features)[:, 0]
    if "embedding/kernel" in p:
        embedded = onehot @ p.weight("embedding", rows=True)
        logits = logits + np.sum(embedded * features, axis=1)
    return logits
