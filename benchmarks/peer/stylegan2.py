"""StyleGAN2 in PyTorch, operation by operation as stylegan2-ada-pytorch on a CPU.

Written for this benchmark from the paper (Karras et al. 2020) and from what NVIDIA's
code is known to execute where no CUDA kernel applies: channels first; filters by zero
insertion, padding, a 4x4 depthwise convolution at full resolution, then slicing; bias,
leaky ReLU and gain as passes of their own; gains multiplied into the weights at each
call. Modulation scales activations around one convolution in training and the weights
of a grouped convolution in inference. Unconditional, skip generator, residual
discriminator, float32 (so no clamps).
"""

import math

import torch
from torch import nn
from torch.nn import functional

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0])
FIR = torch.outer(TAPS, TAPS) / TAPS.sum() ** 2
GAIN = math.sqrt(2)


def width_at(resolution, channel_base, channel_max):
    """Channels at a resolution."""
    return min(channel_base // resolution, channel_max)


def fir(x, gain, before, after, stride=1):
    """Pads [N, C, H, W], filters each channel, keeps every `stride`-th sample."""
    x = functional.pad(x, [before, after, before, after])
    kernel = (gain * FIR).expand(x.shape[1], 1, 4, 4).contiguous()
    x = functional.conv2d(x, kernel, groups=x.shape[1])
    return x[:, :, ::stride, ::stride]


def upsample(x):
    """Zero insertion and the filter: [N, C, H, W] -> [N, C, 2H, 2W]."""
    n, c, h, w = x.shape
    x = x.reshape(n, c, h, 1, w, 1)
    x = functional.pad(x, [0, 1, 0, 0, 0, 1]).reshape(n, c, 2 * h, 2 * w)
    return fir(x, 4, 2, 1)


def bias_act(x, bias=None, active=True, gain=1.0):
    """Bias, leaky ReLU and gain, each a pass of its own; [N, C, ...]."""
    if bias is not None:
        x = x + bias.reshape([-1, *[1] * (x.ndim - 2)])
    if active:
        x = functional.leaky_relu(x, 0.2)
        gain = GAIN * gain
    return x if gain == 1 else x * gain


class AddScaled(torch.autograd.Function):
    """x * factor + summand in one pass each way."""

    @staticmethod
    def forward(ctx, x, factor, summand):
        """[N, C, H, W], [N, C, 1, 1], [N or 1, 1, H, W]."""
        ctx.save_for_backward(x, factor)
        ctx.shape = summand.shape
        return torch.addcmul(summand, x, factor)

    @staticmethod
    def backward(ctx, upstream):
        """Differentiable once more."""
        x, factor = ctx.saved_tensors
        return (
            upstream * factor,
            (upstream * x).sum([2, 3], keepdim=True),
            upstream.sum_to_size(ctx.shape),
        )


class Linear(nn.Module):
    """Dense layer with equalized learning rate."""

    def __init__(self, inputs, outputs, lr_multiplier=1.0, bias=0.0, active=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.full([outputs], bias / lr_multiplier))
        self.scale = lr_multiplier / math.sqrt(inputs)
        self.lr_multiplier, self.active = lr_multiplier, active

    def forward(self, x):
        """[N, inputs] -> [N, outputs]."""
        weight, bias = self.weight * self.scale, self.bias
        if self.lr_multiplier != 1:
            bias = bias * self.lr_multiplier
        if self.active:
            return bias_act(x.matmul(weight.t()), bias)
        return torch.addmm(bias[None], x, weight.t())


def modulated(x, weight, style, noise=None, up=False, demodulate=True, joined=False):
    """Modulated convolution: [N, C, H, W], [C', C, k, k], [N, C] -> [N, C', H', W'].

    Args:
      joined: scale weights for a grouped convolution (inference) instead of scaling
        activations (training).
    """
    n, size = len(x), weight.shape[-1]
    factors = None
    if demodulate or joined:
        own = weight[None] * style.reshape(n, 1, -1, 1, 1)
    if demodulate:
        factors = (own.square().sum([2, 3, 4]) + 1e-8).rsqrt()
    if not joined:
        x = x * style.reshape(n, -1, 1, 1)
        x = resampled(x, weight, size // 2, up, 1)
        if demodulate:
            return AddScaled.apply(x, factors.reshape(n, -1, 1, 1), noise)
        return x
    if demodulate:
        own = own * factors.reshape(n, -1, 1, 1, 1)
    x = x.reshape(1, -1, *x.shape[2:])
    x = resampled(x, own.reshape(-1, *own.shape[2:]), size // 2, up, n)
    x = x.reshape(n, -1, *x.shape[2:])
    return x if noise is None else x.add_(noise)


def resampled(x, weight, padding, up, groups):
    """Convolution, or the transposed one of stride 2 and then the filter."""
    if not up:
        return functional.conv2d(x, weight, padding=padding, groups=groups)
    outputs, inputs, height, width = weight.shape
    weight = weight.reshape(groups, outputs // groups, inputs, height, width)
    weight = weight.transpose(1, 2).reshape(-1, outputs // groups, height, width)
    x = functional.conv_transpose2d(x, weight, stride=2, groups=groups)
    return fir(x, 4, 1, 1)


class Layer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, activation."""

    def __init__(self, inputs, outputs, w_dim, side, up):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.affine = Linear(w_dim, inputs, bias=1.0)
        self.register_buffer("constant", torch.randn(side, side))
        self.strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.side, self.up = side, up

    def forward(self, x, w):
        """[N, C, H, W], [N, w_dim] -> [N, C', H', W']."""
        style, noise = self.affine(w), self.constant
        if self.training:
            noise = torch.randn(len(x), 1, self.side, self.side)
        noise = noise * self.strength
        joined = not self.training
        x = modulated(x, self.weight, style, noise, self.up, joined=joined)
        return bias_act(x, self.bias)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to colours."""

    def __init__(self, inputs, w_dim):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, inputs, 1, 1))
        self.affine = Linear(w_dim, inputs, bias=1.0)
        self.scale = 1 / math.sqrt(inputs)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x, w):
        """[N, C, H, W], [N, w_dim] -> [N, 3, H, W]."""
        style, joined = self.affine(w) * self.scale, not self.training
        x = modulated(x, self.weight, style, demodulate=False, joined=joined)
        return bias_act(x, self.bias, active=False)


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
        if self.training:
            self.w_avg.copy_(w.detach().mean(0).lerp(self.w_avg, 0.995))
        ws = w[:, None].repeat(1, self.num_ws, 1)
        if not self.training:
            return ws
        first = int(torch.randint(1, self.num_ws, []))
        if torch.rand([]) >= 0.9:
            first = self.num_ws
        other = self._map(torch.randn_like(z))[:, None].repeat(1, self.num_ws, 1)
        ws[:, first:] = other[:, first:]
        return ws

    def _map(self, z):
        return self.mapping(z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8))

    def synthesize(self, ws):
        """[N, num_ws, w_dim] -> [N, 3, H, W]."""
        ws = ws.unbind(1)
        x = self.constant[None].repeat(len(ws[0]), 1, 1, 1)
        x = self.layers[0](x, ws[0])
        images = self.to_rgb[0](x, ws[1])
        for index in range(1, len(self.to_rgb)):
            x = self.layers[2 * index - 1](x, ws[2 * index - 1])
            x = self.layers[2 * index](x, ws[2 * index])
            rgb = self.to_rgb[index](x, ws[2 * index + 1])
            images = upsample(images).add_(rgb)
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

    def forward(self, x, gain=1.0):
        """[N, C, H, W] -> [N, C', H', W']."""
        weight, pad = self.weight * self.scale, self.size // 2
        if self.down and self.size == 1:
            x = functional.conv2d(fir(x, 1, 1, 1, stride=2), weight)
        elif self.down:
            x = functional.conv2d(fir(x, 1, pad + 1, pad + 1), weight, stride=2)
        else:
            x = functional.conv2d(x, weight, padding=pad)
        return bias_act(x, self.bias, self.bias is not None, gain)


class Block(nn.Module):
    """Residual block that halves the resolution."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv0 = Conv(inputs, inputs, 3)
        self.conv1 = Conv(inputs, outputs, 3, down=True)
        self.skip = Conv(inputs, outputs, 1, down=True, active=False)

    def forward(self, x):
        """[N, C, H, W] -> [N, C', H/2, W/2]."""
        around = self.skip(x, math.sqrt(0.5))
        return around.add_(self.conv1(self.conv0(x), math.sqrt(0.5)))


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
        y = ((y - y.mean(0)).square().mean(0) + 1e-8).sqrt().mean([1, 2, 3])
        y = y.reshape(-1, 1, 1, 1).repeat(min(4, n), 1, h, w)
        x = self.conv(torch.cat([x, y], 1))
        return self.output(self.dense(x.flatten(1)))[:, 0]
