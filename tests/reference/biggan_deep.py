"""BigGAN-deep in float64 NumPy, written from the papers and the specification.

Conventions as in `reference.biggan`; plans are lists of [resample, inputs, outputs].
"""

import numpy as np
from reference import biggan


def _relu(x):
    return np.maximum(x, 0)


def generator(p, z, onehot, plan, training=False):
    """Images [N, C, H, W]; class embedding, then latent condition every block."""
    condition = np.concatenate([onehot @ p["embedding/kernel"], z], axis=1)
    x = biggan.dense(p, "linear", condition)
    x = x.reshape(len(z), 4, 4, -1).transpose(0, 3, 1, 2)
    for i, (up, _, outputs) in enumerate(plan):
        h = x
        for k in range(4):
            path = f"blocks/{i}/norms/{k}"
            h = _relu(biggan.norm(p, path, h, condition, training, p.bn_eps))
            h = biggan.upsample(h) if up and k == 1 else h
            h = biggan.conv(p, f"blocks/{i}/convs/{k}", h)
        shortcut = x[:, :outputs]
        x = h + (biggan.upsample(shortcut) if up else shortcut)
        if f"blocks/{i}/attention/gamma" in p:
            x = biggan.attention(p, f"blocks/{i}/attention", x)
    x = _relu(biggan.norm(p, "output_norm", x, None, training, p.output_bn_eps))
    return np.tanh(biggan.conv(p, "output_conv", x))


def discriminator(p, images, onehot, plan):
    """Logits [N] of images [N, C, H, W]."""
    x = biggan.conv(p, "input_conv", images)
    for i, (down, _, _) in enumerate(plan):
        h = x
        for k in range(4):
            h = _relu(h)
            h = biggan.downsample(h) if down and k == 3 else h
            h = biggan.conv(p, f"blocks/{i}/convs/{k}", h)
        shortcut = biggan.downsample(x) if down else x
        if f"blocks/{i}/shortcut/kernel" in p:
            more = biggan.conv(p, f"blocks/{i}/shortcut", shortcut)
            shortcut = np.concatenate([shortcut, more], axis=1)
        x = h + shortcut
        if f"blocks/{i}/attention/gamma" in p:
            x = biggan.attention(p, f"blocks/{i}/attention", x)
    features = _relu(x).sum(axis=(2, 3))
    embedded = onehot @ p.weight("embedding", rows=True)
    logits = biggan.dense(p, "linear", features)[:, 0]
    return logits + np.sum(embedded * features, axis=1)
