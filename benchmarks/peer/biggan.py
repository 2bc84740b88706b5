"""BigGAN in PyTorch, operation by operation as BigGAN-PyTorch.

Written for this benchmark from the paper (Brock et al. 2019, appendix B) and from what
the authors' code is known to execute: channels first, a power step of every layer at
each call, nearest upsampling before and average pooling after each convolution, the
normalisation first and then gain and bias. The widths are those of 32 px.
"""

import torch
from torch import nn
from torch.nn import functional


class Spectral(nn.Module):
    """Weight divided by its largest singular value, one power step a call."""

    def __init__(self, *shape, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(*shape))
        nn.init.orthogonal_(self.weight)
        self.register_buffer("u", torch.randn(1, shape[0]))
        self.register_buffer("sigma", torch.ones(1))
        self.eps = eps

    def normalized(self):
        """Returns weight / sigma; moves u in training mode."""
        matrix = self.weight.view(self.weight.shape[0], -1)
        with torch.no_grad():
            v = functional.normalize(torch.matmul(self.u, matrix), eps=self.eps)
            u = functional.normalize(torch.matmul(v, matrix.t()), eps=self.eps)
            if self.training:
                self.u[:] = u
        sigma = torch.squeeze(torch.matmul(torch.matmul(v, matrix.t()), u.t()))
        if self.training:
            with torch.no_grad():
                self.sigma[:] = sigma
        return self.weight / sigma


class Conv(Spectral):
    """Convolution with zero padding and a bias."""

    def __init__(self, inputs, outputs, size):
        super().__init__(outputs, inputs, size, size)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.padding = size // 2

    def forward(self, x):
        """[N, C, H, W] -> [N, C', H, W]."""
        weight = self.normalized()
        return functional.conv2d(x, weight, self.bias, padding=self.padding)


class Linear(Spectral):
    """Matrix product, optionally with a bias."""

    def __init__(self, inputs, outputs, bias=True):
        super().__init__(outputs, inputs)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x):
        """[N, inputs] -> [N, outputs]."""
        return functional.linear(x, self.normalized(), self.bias)


class Embedding(Spectral):
    """One vector for each class."""

    def forward(self, labels):
        """[N] int -> [N, features]."""
        return functional.embedding(labels, self.normalized())


class Norm(nn.Module):
    """BatchNorm with running moments; gain and bias only where they are learned."""

    def __init__(self, channels, affine):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.gain = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def forward(self, x):
        """[N, C, H, W] -> the same."""
        moments = self.mean, self.variance
        affine = self.gain, self.bias
        return functional.batch_norm(x, *moments, *affine, self.training, 0.1, 1e-5)


class ConditionalNorm(nn.Module):
    """BatchNorm, then a gain and a bias linear in the condition."""

    def __init__(self, length, channels):
        super().__init__()
        self.gain = Linear(length, channels, bias=False)
        self.bias = Linear(length, channels, bias=False)
        self.norm = Norm(channels, affine=False)

    def forward(self, x, condition):
        """[N, C, H, W], [N, D] -> [N, C, H, W]."""
        gain = (1 + self.gain(condition))[:, :, None, None]
        return self.norm(x) * gain + self.bias(condition)[:, :, None, None]


class GeneratorBlock(nn.Module):
    """Residual block that doubles the resolution."""

    def __init__(self, inputs, outputs, length):
        super().__init__()
        self.norm1 = ConditionalNorm(length, inputs)
        self.conv1 = Conv(inputs, outputs, 3)
        self.norm2 = ConditionalNorm(length, outputs)
        self.conv2 = Conv(outputs, outputs, 3)
        self.shortcut = Conv(inputs, outputs, 1)

    def forward(self, x, condition):
        """[N, C, H, W] -> [N, C', 2H, 2W]."""
        h = functional.relu(self.norm1(x, condition))
        h = self.conv1(functional.interpolate(h, scale_factor=2))
        h = self.conv2(functional.relu(self.norm2(h, condition)))
        return h + self.shortcut(functional.interpolate(x, scale_factor=2))


class Generator(nn.Module):
    """Latents and classes to images of 32 px."""

    def __init__(self, ch, dim_z, shared_dim, classes):
        super().__init__()
        width, blocks = 4 * ch, 3
        self.piece = dim_z // (blocks + 1)
        self.dim_z, self.classes = self.piece * (blocks + 1), classes
        self.shared = nn.Embedding(classes, shared_dim)
        self.linear = Linear(self.piece, 16 * width)
        length = shared_dim + self.piece
        self.blocks = nn.ModuleList(
            GeneratorBlock(width, width, length) for _ in range(blocks)
        )
        self.norm = Norm(width, affine=True)
        self.output = Conv(width, 3, 3)

    def forward(self, z, labels):
        """[N, dim_z], [N] -> [N, 3, 32, 32] in (-1, 1)."""
        first, *rest = z.split(self.piece, 1)
        shared = self.shared(labels)
        x = self.linear(first)
        x = x.view(len(z), -1, 4, 4)
        for block, piece in zip(self.blocks, rest, strict=True):
            x = block(x, torch.cat([shared, piece], 1))
        return torch.tanh(self.output(functional.relu(self.norm(x))))


class DiscriminatorBlock(nn.Module):
    """Residual block, optionally followed by 2x2 average pooling."""

    def __init__(self, inputs, outputs, first, down):
        super().__init__()
        self.first, self.down = first, down
        self.conv1 = Conv(inputs, outputs, 3)
        self.conv2 = Conv(outputs, outputs, 3)
        self.shortcut = Conv(inputs, outputs, 1) if first or down else None

    def forward(self, x):
        """[N, C, H, W] -> [N, C', H', W']."""
        h = x if self.first else functional.relu(x)
        h = self.conv2(functional.relu(self.conv1(h)))
        if self.down:
            h = functional.avg_pool2d(h, 2)
        return h + self._around(x)

    def _around(self, x):
        if self.shortcut is None:
            return x
        if self.first:
            return self.shortcut(functional.avg_pool2d(x, 2))
        x = self.shortcut(x)
        return functional.avg_pool2d(x, 2) if self.down else x


class Discriminator(nn.Module):
    """Projection discriminator of 32 px images."""

    def __init__(self, ch, classes):
        super().__init__()
        width = 4 * ch
        self.blocks = nn.ModuleList(
            [
                DiscriminatorBlock(3, width, True, True),
                DiscriminatorBlock(width, width, False, True),
                DiscriminatorBlock(width, width, False, False),
                DiscriminatorBlock(width, width, False, False),
            ]
        )
        self.linear = Linear(width, 1)
        self.embedding = Embedding(classes, width)

    def forward(self, x, labels):
        """[N, 3, 32, 32], [N] -> logits [N]."""
        for block in self.blocks:
            x = block(x)
        features = functional.relu(x).sum([2, 3])
        projected = (self.embedding(labels) * features).sum(1)
        return self.linear(features)[:, 0] + projected
