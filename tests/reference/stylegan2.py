"""StyleGAN2 in float64 NumPy, written from the formulas: slow, plain, independent.

Everything is done the direct way: every sample gets its own modulated and demodulated
weights, resampling inserts zeros and filters, an up-convolution pads once and runs
un-fused, minibatch statistics loop over groups. `parameters` holds arrays under the
names of `networks.base.named_variables`; `config` is `get_config()`.
"""

import numpy as np

SQRT2 = np.sqrt(2.0)


def fir_filter(taps):
    """[k] or [k, k] taps -> [k, k] of unit sum."""
    taps = np.asarray(taps, np.float64)
    taps = np.outer(taps, taps) if taps.ndim == 1 else taps
    return taps / taps.sum()


def correlate(x, kernel, stride=1):
    """VALID correlation of [H, W, C] with [k, k, C, O]."""
    size = kernel.shape[0]
    rows = (x.shape[0] - size) // stride + 1
    columns = (x.shape[1] - size) // stride + 1
    out = np.zeros((rows, columns, kernel.shape[3]))
    for i in range(rows):
        for j in range(columns):
            patch = x[i * stride : i * stride + size, j * stride : j * stride + size]
            out[i, j] = np.tensordot(patch, kernel, axes=3)
    return out


def pad(x, before, after):
    return np.pad(x, [(before, after), (before, after), (0, 0)])


def filtered(x, fir, before, after):
    """Pads and convolves (flipped filter) each channel of [H, W, C]."""
    x, flipped = pad(x, before, after), fir[::-1, ::-1]
    size = len(fir)
    rows, columns = x.shape[0] - size + 1, x.shape[1] - size + 1
    out = np.zeros((rows, columns, x.shape[2]))
    for a in range(size):
        for b in range(size):
            out += flipped[a, b] * x[a : a + rows, b : b + columns]
    return out


def zero_inserted(x):
    out = np.zeros((2 * x.shape[0], 2 * x.shape[1], x.shape[2]))
    out[::2, ::2] = x
    return out


def upsample(x, fir):
    size = len(fir)
    return filtered(zero_inserted(x), 4 * fir, (size + 1) // 2, (size - 2) // 2)


def downsample(x, fir):
    size = len(fir)
    return filtered(x, fir, (size - 1) // 2, (size - 2) // 2)[::2, ::2]


def up_conv(x, kernel, fir):
    size = len(fir)
    before, after = (size + 1) // 2 + 1, (size - 2) // 2 + 1
    return correlate(filtered(zero_inserted(x), 4 * fir, before, after), kernel)


def down_conv(x, kernel, fir):
    size = len(fir)
    before, after = (size - 1) // 2 + 1, (size - 2) // 2 + 1
    return correlate(filtered(x, fir, before, after), kernel, stride=2)


def lrelu(x, gain=1.0, clamp=None):
    x = np.where(x >= 0, x, 0.2 * x) * SQRT2 * gain
    return x if clamp is None else np.clip(x, -clamp * gain, clamp * gain)


def normalized(x):
    return x / np.sqrt(np.mean(x**2, axis=1, keepdims=True) + 1e-8)


class _Network:
    def __init__(self, parameters, config):
        self.p = {n: np.asarray(a, np.float64) for n, a in parameters.items()}
        self.c = config
        self.fir = fir_filter(config["resample_filter"])
        self.clamp = config["conv_clamp"]

    def dense(self, x, name, multiplier=1.0, activate=False):
        kernel = self.p[f"{name}/kernel"] * multiplier / np.sqrt(x.shape[1])
        y = x @ kernel + self.p[f"{name}/bias"] * multiplier
        return lrelu(y) if activate else y

    def mapped(self, z, onehot):
        """The mapping network of either player."""
        if "mapping/label_table" in self.p:
            y = onehot @ self.p["mapping/label_table"]
            x = normalized(np.concatenate([z, y], axis=1))
        else:
            parts = [] if z is None else [normalized(z)]
            if "mapping/label_embedding/kernel" in self.p:
                embedded = self.dense(onehot, "mapping/label_embedding")
                parts.append(normalized(embedded))
            x = np.concatenate(parts, axis=1)
        for i in range(self.c["mapping_layers"]):
            multiplier = self.c["mapping_lr_multiplier"]
            x = self.dense(x, f"mapping/dense/{i}", multiplier, activate=True)
        return x


class Generator(_Network):
    """Mapping and synthesis; noise 'const' or 'none'."""

    def map(self, z, onehot=None):
        layers = 2 * int(np.log2(self.c["resolution"])) - 2
        w = self.mapped(z, onehot)
        return np.repeat(w[:, None], layers, axis=1)

    def synthesize(self, ws, noise="const"):
        return np.stack([self._image(sample, noise) for sample in ws])

    def _weights(self, name, w, demodulate):
        kernel = self.p[f"{name}/kernel"]
        kernel = kernel / np.sqrt(np.prod(kernel.shape[:3]))
        style = self.dense(w[None], f"{name}/affine")[0]
        kernel = kernel * style[:, None]
        if demodulate:
            kernel = kernel / np.sqrt((kernel**2).sum(axis=(0, 1, 2)) + 1e-8)
        return kernel

    def _styled(self, x, name, w, noise, up=False, gain=1.0):
        kernel = self._weights(name, w, demodulate=True)
        if up:
            x = up_conv(x, kernel, self.fir)
        else:
            x = correlate(pad(x, 1, 1), kernel)
        if noise == "const":
            added = self.p[f"{name}/noise/constant"][:, :, None]
            x = x + self.p[f"{name}/noise/strength"] * added
        return lrelu(x + self.p[f"{name}/bias"], gain, self.clamp)

    def _rgb(self, x, name, w):
        y = correlate(x, self._weights(name, w, demodulate=False))
        y = y + self.p[f"{name}/bias"]
        return y if self.clamp is None else np.clip(y, -self.clamp, self.clamp)

    def _image(self, w, noise):
        image, x = None, self.p["constant"]
        last = int(np.log2(self.c["resolution"]))
        for k in range(2, last + 1):
            name = f"blocks/{2**k}"
            if k == 2:
                x = self._styled(x, f"{name}/conv1", w[0], noise)
            else:
                x = self._block(x, name, w[2 * k - 5], w[2 * k - 4], noise)
            if image is not None:
                image = upsample(image, self.fir)
            if self.c["architecture"] == "skip" or k == last:
                rgb = self._rgb(x, f"{name}/to_rgb", w[2 * k - 3])
                image = rgb if image is None else image + rgb
        return image

    def _block(self, x, name, w0, w1, noise):
        residual = self.c["architecture"] == "resnet"
        gain = np.sqrt(0.5) if residual else 1.0
        y = self._styled(x, f"{name}/conv0", w0, noise, up=True)
        y = self._styled(y, f"{name}/conv1", w1, noise, gain=gain)
        if residual:
            kernel = self.p[f"{name}/skip/kernel"]
            around = correlate(x, kernel / np.sqrt(kernel.shape[2]))
            y = y + gain * upsample(around, self.fir)
        return y


class Discriminator(_Network):
    """Scores [N]."""

    def score(self, images, onehot=None):
        images = np.asarray(images, np.float64)
        features = np.stack([self._features(image) for image in images])
        x = self._with_statistics(features)
        x = np.stack([self._conv(sample, "head/conv") for sample in x])
        x = self.dense(x.reshape(len(x), -1), "head/dense", activate=True)
        out = self.dense(x, "head/output_dense")
        if onehot is None:
            return out[:, 0]
        if "mapping/dense/0/kernel" in self.p:
            product = out * self.mapped(None, onehot)
            return product.sum(axis=1) / np.sqrt(product.shape[1])
        return (out * onehot).sum(axis=1)

    def _conv(self, x, name, gain=1.0, down=False, clamp=True):
        kernel = self.p[f"{name}/kernel"]
        kernel = kernel / np.sqrt(np.prod(kernel.shape[:3]))
        size = kernel.shape[0]
        if down:
            y = down_conv(x, kernel, self.fir)
        else:
            y = correlate(pad(x, size // 2, size // 2), kernel)
        return lrelu(y + self.p[f"{name}/bias"], gain, self.clamp if clamp else None)

    def _features(self, image):
        x, side = None, self.c["resolution"]
        residual = self.c["architecture"] == "resnet"
        gain = np.sqrt(0.5) if residual else 1.0
        while side > 4:
            name = f"blocks/{side}"
            x = self._from_rgb(x, image, f"{name}/from_rgb")
            y = self._conv(x, f"{name}/conv0")
            y = self._conv(y, f"{name}/conv1", gain, down=True)
            if residual:
                kernel = self.p[f"{name}/skip/kernel"]
                around = correlate(downsample(x, self.fir), kernel)
                y = y + gain * around / np.sqrt(kernel.shape[2])
            x, side = y, side // 2
            if self.c["architecture"] == "skip":
                image = downsample(image, self.fir)
        return self._from_rgb(x, image, "head/from_rgb", clamp=False)

    def _from_rgb(self, x, image, name, clamp=True):
        if f"{name}/kernel" not in self.p:
            return x
        y = self._conv(image, name, clamp=clamp)
        return y if x is None else x + y

    def _with_statistics(self, x):
        """Group i holds the samples i, i + N/G, i + 2N/G, ..."""
        channels = self.c["mbstd_num_channels"]
        if not channels:
            return x
        size = min(self.c["mbstd_group_size"] or len(x), len(x))
        groups = len(x) // size
        added = np.zeros((*x.shape[:3], channels))
        for group in range(groups):
            members = x[group::groups]
            deviation = np.sqrt(members.var(axis=0) + 1e-8)
            parts = np.split(deviation, channels, axis=2)
            added[group::groups] = [part.mean() for part in parts]
        return np.concatenate([x, added], axis=3)


def gradient(function, x, step=1e-5):
    """Central differences of a scalar function, entry by entry."""
    x = np.array(x, np.float64)
    slope = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        kept = x[index]
        x[index] = kept + step
        up = function(x)
        x[index] = kept - step
        slope[index] = (up - function(x)) / (2 * step)
        x[index] = kept
    return slope


def r1(discriminator, images, onehot=None):
    """Sum of the squared slopes of sum(D(x)), for each image."""
    slope = gradient(lambda x: discriminator.score(x, onehot).sum(), images)
    return (slope**2).sum(axis=(1, 2, 3))


def path_lengths(generator, ws, noise):
    """sqrt of the mean over layers of the squared slopes of sum(image * noise)."""
    noise = np.asarray(noise, np.float64)
    noise = noise / np.sqrt(noise.shape[1] * noise.shape[2])
    slope = gradient(lambda w: (generator.synthesize(w) * noise).sum(), ws)
    return np.sqrt((slope**2).sum(axis=2).mean(axis=1))
