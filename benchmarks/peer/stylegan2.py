"""StyleGAN2 in PyTorch, as the paper describes it: what ours is timed against.

Written for the benchmark from Karras et al. 2020: channels first, modulated weights
for each sample in a grouped convolution (appendix B), FIR filters by zero insertion,
padding and a depthwise convolution. Unconditional, skip generator, residual
discriminator.
"""

import math

import torch
from torch import nn
from torch.nn import functional

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0])
FIR = torch.outer(TAPS, TAPS) / TAPS.sum() ** 2


def width_at(resolution, channel_base, channel_max):
    """Channels at a resolution."""
    return min(channel_base // resolution, channel_max)


def fir(x, gain, before, after, stride=1):
    """Pads [N, C, H, W], filters each channel, keeps every `stride`-th sample."""
    x = functional.pad(x, [before, after, before, after])
    kernel = (gain * FIR).expand(x.shape[1], 1, 4, 4)
    return functional.conv2d(x, kernel, groups=x.shape[1], stride=stride)


def upsample(x):
    """Zero insertion and the filter: [N, C, H, W] -> [N, C, 2H, 2W]."""
    n, c, h, w = x.shape
    x = x.reshape(n, c, h, 1, w, 1)
    x = functional.pad(x, [0, 1, 0, 0, 0, 1]).reshape(n, c, 2 * h, 2 * w)
    return fir(x, 4, 2, 1)


def activate(x):
    """Leaky ReLU with a gain of sqrt(2)."""
    return functional.leaky_relu(x, 0.2) * math.sqrt(2)


class Linear(nn.Module):
    """Dense layer with equalized learning rate."""

    def __init__(self, inputs, outputs, lr_multiplier=1.0, bias=0.0, active=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.full([outputs], bias / lr_multiplier))
        self.scale, self.lr_multiplier = (
            lr_multiplier / math.sqrt(inputs),
            lr_multiplier,
        )
        self.active = active

    def forward(self, x):
        """[N, inputs] -> [N, outputs]."""
        bias = self.bias * self.lr_multiplier
        x = functional.linear(x, self.weight * self.scale, bias)
        return activate(x) if self.active else x


class Modulated(nn.Module):
    """Convolution with weights of each sample's own, in groups."""

    def __init__(self, inputs, outputs, size, w_dim, up=False, demodulate=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.affine = Linear(w_dim, inputs, bias=1.0)
        self.scale = 1 / math.sqrt(inputs * size**2)
        self.up, self.demodulate, self.padding = up, demodulate, size // 2

    def forward(self, x, w):
        """[N, C, H, W], [N, w_dim] -> [N, C', H', W']."""
        n, c, height, width = x.shape
        style = self.affine(w)[:, None, :, None, None]
        weight = self.weight * self.scale * style
        if self.demodulate:
            squares = weight.square().sum([2, 3, 4], keepdim=True)
            weight = weight * torch.rsqrt(squares + 1e-8)
        x = x.reshape(1, n * c, height, width)
        if self.up:
            weight = weight.transpose(1, 2).flatten(0, 1)
            x = functional.conv_transpose2d(x, weight, stride=2, groups=n)
            return fir(x.reshape(n, -1, *x.shape[2:]), 4, 1, 1)
        weight = weight.flatten(0, 1)
        x = functional.conv2d(x, weight, padding=self.padding, groups=n)
        return x.reshape(n, -1, height, width)


class Layer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, activation."""

    def __init__(self, inputs, outputs, w_dim, side, up):
        super().__init__()
        self.conv = Modulated(inputs, outputs, 3, w_dim, up)
        self.register_buffer("constant", torch.randn(side, side))
        self.strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x, w):
        """[N, C, H, W], [N, w_dim] -> [N, C', H', W']."""
        x = self.conv(x, w)
        noise = torch.randn(len(x), 1, *x.shape[2:]) if self.training else self.constant
        x = x + noise * self.strength
        return activate(x + self.bias[:, None, None])


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to colours."""

    def __init__(self, inputs, w_dim):
        super().__init__()
        self.conv = Modulated(inputs, 3, 1, w_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x, w):
        """[N, C, H, W], [N, w_dim] -> [N, 3, H, W]."""
        return self.conv(x, w) + self.bias[:, None, None]


class Generator(nn.Module):
    """Mapping and synthesis."""

    def __init__(self, resolution, channel_base, channel_max, latent):
        super().__init__()
        sides = [4 << i for i in range(int(math.log2(resolution)) - 1)]
        widths = [width_at(side, channel_base, channel_max) for side in sides]
        self.dim_z, self.classes, self.num_ws = latent, 0, 2 * len(sides)
        self.mapping = nn.Sequential(
            *(Linear(latent, latent, 0.01, active=True) for _ in range(8))
        )
        self.register_buffer("w_avg", torch.zeros(latent))
        self.constant = nn.Parameter(torch.randn(widths[0], 4, 4))
        self.layers = nn.ModuleList([Layer(widths[0], widths[0], latent, 4, False)])
        for before, width, side in zip(widths[:-1], widths[1:], sides[1:], strict=True):
            self.layers.append(Layer(before, width, latent, side, True))
            self.layers.append(Layer(width, width, latent, side, False))
        self.to_rgb = nn.ModuleList(ToRGB(width, latent) for width in widths)

    def map(self, z):
        """[N, dim_z] -> [N, num_ws, w_dim], with style mixing and w_avg in training."""
        w = self._map(z)
        ws = w[:, None].repeat(1, self.num_ws, 1)
        if not self.training:
            return ws
        self.w_avg.lerp_(w.detach().mean(0), 0.005)
        if torch.rand([]) < 0.9:
            first = int(torch.randint(1, self.num_ws, []))
            other = self._map(torch.randn_like(z))[:, None]
            ws = torch.cat([ws[:, :first], other.repeat(1, self.num_ws - first, 1)], 1)
        return ws

    def _map(self, z):
        return self.mapping(z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8))

    def synthesize(self, ws):
        """[N, num_ws, w_dim] -> [N, 3, H, W]."""
        ws = ws.unbind(1)
        x = self.constant.repeat(len(ws[0]), 1, 1, 1)
        x = self.layers[0](x, ws[0])
        images = self.to_rgb[0](x, ws[1])
        for index in range(1, len(self.to_rgb)):
            x = self.layers[2 * index - 1](x, ws[2 * index - 1])
            x = self.layers[2 * index](x, ws[2 * index])
            rgb = self.to_rgb[index](x, ws[2 * index + 1])
            images = upsample(images) + rgb
        return images

    def forward(self, z, labels=None):
        """[N, dim_z] -> [N, 3, H, W]."""
        return self.synthesize(self.map(z))


class Conv(nn.Module):
    """Convolution with equalized learning rate; may filter and halve."""

    def __init__(self, inputs, outputs, size, down=False, active=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if active else None
        self.scale = 1 / math.sqrt(inputs * size**2)
        self.size, self.down = size, down

    def forward(self, x):
        """[N, C, H, W] -> [N, C', H', W']."""
        weight, pad = self.weight * self.scale, self.size // 2
        if self.down:
            x = fir(x, 1, pad + 1, pad + 1)
            x = functional.conv2d(x, weight, self.bias, stride=2)
        else:
            x = functional.conv2d(x, weight, self.bias, padding=pad)
        return x if self.bias is None else activate(x)


class Block(nn.Module):
    """Residual block that halves the resolution."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv0 = Conv(inputs, inputs, 3)
        self.conv1 = Conv(inputs, outputs, 3, down=True)
        self.skip = Conv(inputs, outputs, 1, down=True, active=False)

    def forward(self, x):
        """[N, C, H, W] -> [N, C', H/2, W/2]."""
        return (self.conv1(self.conv0(x)) + self.skip(x)) * math.sqrt(0.5)


class Discriminator(nn.Module):
    """Residual discriminator with minibatch standard deviation."""

    def __init__(self, resolution, channel_base, channel_max):
        super().__init__()
        sides = [resolution >> i for i in range(int(math.log2(resolution)) - 1)]
        widths = [width_at(side, channel_base, channel_max) for side in sides]
        self.from_rgb = Conv(3, widths[0], 1)
        self.blocks = nn.ModuleList(
            Block(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        last = widths[-1]
        self.conv = Conv(last + 1, last, 3)
        dense = width_at(2, channel_base, channel_max)
        self.dense = Linear(16 * last, dense, active=True)
        self.output = Linear(dense, 1)

    def forward(self, x, labels=None):
        """[N, 3, H, W] -> logits [N]."""
        x = self.from_rgb(x)
        for block in self.blocks:
            x = block(x)
        n, c, h, w = x.shape
        y = x.reshape(min(4, n), -1, c, h, w)
        y = (y - y.mean(0)).square().mean(0).add(1e-8).sqrt().mean([1, 2, 3])
        y = y.repeat(min(4, n))[:, None, None, None].expand(n, 1, h, w)
        x = self.conv(torch.cat([x, y], 1))
        return self.output(self.dense(x.flatten(1)))[:, 0]
