"""Which axes of a network's weights hold which channels.

Pruning, and whatever else cuts or reorders channels, needs to know that the outputs of
one convolution, its bias, the normalisation after it and the inputs of the next belong
together. `channel_layout(network)` says so as data: a *group* is a set of channels
that are kept or dropped together, named by the place where it arises.
"""

import dataclasses
import functools

from dglgan_tf.networks import base, biggan, biggan_deep, stylegan2


@dataclasses.dataclass(frozen=True)
class Axis:
    """The channels along one axis of a weight.

    Attributes:
      group: name of the channels.
      repeats: how many times the axis holds all of them, channels fastest (a dense
        layer on a flattened 4x4 image: 16).
      extra: channels behind them that are always kept (minibatch statistics).
    """

    group: str
    repeats: int = 1
    extra: int = 0


@dataclasses.dataclass
class Layout:
    """Channels of a network.

    Attributes:
      axes: path of a variable (`base.named_variables`) -> {axis: Axis}; weights and
        axes that are not named do not depend on widths.
      equalized: paths of kernels that are divided by sqrt(fan-in) when used.
      starts_with: group -> the group whose channels are its first ones, in order
        (shortcuts that drop channels).
    """

    axes: dict[str, dict[int, Axis]] = dataclasses.field(default_factory=dict)
    equalized: set[str] = dataclasses.field(default_factory=set)
    starts_with: dict[str, str] = dataclasses.field(default_factory=dict)

    def add(self, path: str, **axes) -> None:
        """Adds a variable: add('conv/kernel', a2='in', a3=Axis('out'))."""
        self.axes[path] = {
            int(key[1:]): value if isinstance(value, Axis) else Axis(value)
            for key, value in axes.items()
            if value is not None
        }


@functools.singledispatch
def channel_layout(network) -> Layout:
    """Returns the channel groups of a generator or discriminator.

    Raises:
      ValueError: for a network whose layout is not described here.
    """
    raise ValueError(
        f"the channels of a {type(network).__name__} are not described: pruning knows "
        "the generators of StyleGAN2, BigGAN and BigGAN-deep and the discriminators of "
        "the first two"
    )


@channel_layout.register
def _(network: stylegan2.StyleGAN2Generator) -> Layout:
    layout = Layout()
    layout.add("constant", a2="constant")
    before = "constant"
    for side, block in network.blocks.items():
        path = f"blocks/{side}"
        inputs, outputs = before, f"{path}/conv1"
        if block.skip is not None:
            _equalized(layout, f"{path}/skip", 4, before, outputs)
        if block.conv0 is not None:
            _modulated(layout, f"{path}/conv0", before, f"{path}/conv0")
            inputs = f"{path}/conv0"
        _modulated(layout, f"{path}/conv1", inputs, outputs)
        if block.to_rgb is not None:
            _modulated(layout, f"{path}/to_rgb", outputs, None)
        before = outputs
    return layout


@channel_layout.register
def _(network: stylegan2.StyleGAN2Discriminator) -> Layout:
    layout = Layout()
    stages = [*network.blocks.items(), (None, network.head)]
    for k, (side, block) in enumerate(stages):
        here = f"stages/{k}"
        path = "head" if side is None else f"blocks/{side}"
        if block.from_rgb is not None:
            _equalized(layout, f"{path}/from_rgb", 4, None, here)
        if side is None:
            break
        _equalized(layout, f"{path}/conv0", 4, here, f"{path}/conv0")
        following = f"stages/{k + 1}"
        _equalized(layout, f"{path}/conv1", 4, f"{path}/conv0", following)
        if block.skip is not None:
            _equalized(layout, f"{path}/skip", 4, here, following)
    statistics = network.head.minibatch_std
    extra = 0 if statistics is None else network.mbstd_num_channels
    _equalized(layout, "head/conv", 4, Axis(here, extra=extra), "head/conv")
    _equalized(layout, "head/dense", 2, Axis("head/conv", 16), "head/dense")
    _equalized(layout, "head/output_dense", 2, "head/dense", None)
    return layout


def _equalized(layout, path, rank, inputs, outputs):
    layout.add(f"{path}/kernel", **{f"a{rank - 2}": inputs, f"a{rank - 1}": outputs})
    layout.add(f"{path}/bias", a0=outputs)
    layout.equalized.add(f"{path}/kernel")


def _modulated(layout, path, inputs, outputs):
    _equalized(layout, path, 4, inputs, outputs)
    layout.add(f"{path}/affine/kernel", a1=inputs)
    layout.add(f"{path}/affine/bias", a0=inputs)


@channel_layout.register
def _(network: biggan.BigGANGenerator) -> Layout:
    layout, shapes = Layout(), _shapes(network)
    before = "linear"
    _dense(layout, "linear", None, Axis(before, 16))
    for k, block in enumerate(network.blocks):
        path = f"blocks/{k}"
        hidden, after = f"{path}/conv1", f"{path}/conv2"
        _norm(layout, shapes, f"{path}/norm1", before)
        _conv(layout, f"{path}/conv1", before, hidden, 3)
        _norm(layout, shapes, f"{path}/norm2", hidden)
        _conv(layout, f"{path}/conv2", hidden, after, 3)
        _conv(layout, f"{path}/shortcut", before, after, 1)
        _attention(layout, path, block, after)
        before = after
    _norm(layout, shapes, "output_norm", before)
    _conv(layout, "output_conv", before, None, 3)
    return layout


@channel_layout.register
def _(network: biggan.BigGANDiscriminator) -> Layout:
    layout = Layout()
    before = None
    for k, block in enumerate(network.blocks):
        path = f"blocks/{k}"
        hidden, after = f"{path}/conv1", f"{path}/conv2"
        if block.shortcut is None:
            after = before  # what is added as it is shares its channels
        _conv(layout, f"{path}/conv1", before, hidden, 3)
        _conv(layout, f"{path}/conv2", hidden, after, 3)
        _conv(layout, f"{path}/shortcut", before, after, 1)
        _attention(layout, path, block, after)
        before = after
    _dense(layout, "linear", before, None)
    layout.add("embedding/kernel", a1=before)
    return layout


@channel_layout.register
def _(network: biggan_deep.BigGANDeepGenerator) -> Layout:
    layout, shapes = Layout(), _shapes(network)
    before = "linear"
    _dense(layout, "linear", None, Axis(before, 16))
    for k, block in enumerate(network.blocks):
        path = f"blocks/{k}"
        same = block.outputs == block.convs[0].kernel.shape[2]
        after = before if same else f"{path}/convs/3"
        if not same:
            layout.starts_with[before] = after
        groups = [before, *(f"{path}/convs/{i}" for i in range(3)), after]
        for i, size in enumerate((1, 3, 3, 1)):
            _norm(layout, shapes, f"{path}/norms/{i}", groups[i])
            _conv(layout, f"{path}/convs/{i}", groups[i], groups[i + 1], size)
        _attention(layout, path, block, after)
        before = after
    _norm(layout, shapes, "output_norm", before)
    _conv(layout, "output_conv", before, None, 3)
    return layout


def _dense(layout, path, inputs, outputs):
    layout.add(f"{path}/kernel", a0=inputs, a1=outputs)
    layout.add(f"{path}/bias", a0=outputs)
    layout.add(f"{path}/u", a0=outputs)
    layout.add(f"{path}/v", a0=inputs)


def _conv(layout, path, inputs, outputs, size):
    layout.add(f"{path}/kernel", a2=inputs, a3=outputs)
    layout.add(f"{path}/bias", a0=outputs)
    layout.add(f"{path}/u", a0=outputs)
    layout.add(f"{path}/v", a0=None if inputs is None else Axis(inputs, size**2))


def _norm(layout, shapes, path, group):
    """Every variable of a norm ends in the channels, but for right vectors."""
    for name, shape in shapes.items():
        if name.startswith(f"{path}/") and not name.endswith("/v"):
            layout.add(name, **{f"a{len(shape) - 1}": group})


def _shapes(network):
    return {name: v.shape for name, v in base.named_variables(network).items()}


def _attention(layout, path, block, group):
    if block.attention is None:
        return
    path = f"{path}/attention"
    _conv(layout, f"{path}/theta", group, f"{path}/keys", 1)
    _conv(layout, f"{path}/phi", group, f"{path}/keys", 1)
    _conv(layout, f"{path}/g", group, f"{path}/values", 1)
    _conv(layout, f"{path}/o", f"{path}/values", group, 1)
