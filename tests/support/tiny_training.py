"""Networks, trainers and batches small enough to train in a test.

`Linear` and `Quadratic` have closed-form gradients and move state as the real networks
do: a running mean that depends on the data, a vector that does not.
"""

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.layers import taps, updates
from dglgan_tf.losses import adversarial
from dglgan_tf.networks import base, biggan, codes, stylegan2
from dglgan_tf.training import (
    ema,
    objective,
    optimizers,
    scores,
    settings,
    state,
    trainer,
)

SIDE = 4
STATE = {
    "trainable": False,
    "synchronization": tf.VariableSynchronization.ON_READ,
    "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA,
}


class Linear(base.Generator):
    """Images linear in z (and in labels); `average` follows w as `w_avg` does."""

    def __init__(self, z_dim=3, num_classes=0, bend=0.0, width=2):
        super().__init__()
        self.z_dim, self.num_classes, self.bend = z_dim, num_classes, bend
        self.resolution, self.num_channels = SIDE, 1
        self.width = width
        self.mapping = self.add_weight("mapping", [z_dim, width])
        if num_classes:
            self.embedding = self.add_weight("embedding", [num_classes, width])
        self.kernel = self.add_weight("kernel", [width, SIDE * SIDE])
        self.average = self.add_weight("average", [width], initializer="zeros", **STATE)
        self.built = True

    def call(self, z, labels=None, training=False, seed=None):
        del seed
        ws = self.training_ws(z, labels) if training else self.map(z, labels)
        return self.synthesize(ws)

    def map(self, z, labels=None):
        w = tf.matmul(z, self.mapping)
        if self.num_classes:
            w += tf.matmul(self.onehot(labels), self.embedding)
        return tf.stack([w, w], axis=1)

    def training_ws(self, z, labels=None, seed=None):
        del seed
        ws = self.map(z, labels)
        old = updates.current(self.average)
        moved = old + 0.1 * (tf.reduce_mean(ws[:, 0], 0) - old)
        updates.record(self.average, moved, average=True)
        return ws

    def synthesize(self, ws, noise="const", seed=None):
        del noise, seed
        w = 0.5 * (ws[:, 0] + ws[:, 1]) + self.bend * tf.sin(ws[:, 1])
        taps.record(w[:, None, None, :])
        return tf.reshape(tf.matmul(w, self.kernel), [-1, SIDE, SIDE, 1])


@codes.directions_of.register
def _(network: Linear):
    return [[network.mapping.numpy()]]


class Quadratic(base.Discriminator):
    """D(x) = x.a + |x K|^2 / 2, so that dD/dx = a + K K^T x."""

    def __init__(self, num_classes=0, resolution=SIDE, width=2):
        super().__init__()
        self.num_classes, self.resolution = num_classes, resolution
        self.num_channels = 1
        size = resolution * resolution
        self.slope = self.add_weight("slope", [size])
        self.width = width
        self.kernel = self.add_weight("kernel", [size, width])
        self.u = self.add_weight("u", [width], initializer="ones", **STATE)
        self.built = True

    def call(self, images, labels=None, training=False):
        del labels
        if training:
            moved = tf.linalg.matvec(self.kernel, updates.current(self.u))
            moved = tf.linalg.matvec(self.kernel, moved, transpose_a=True)
            updates.record(self.u, moved / tf.norm(moved), average=False)
        x = tf.reshape(images, [-1, self.slope.shape[0]])
        hidden = tf.matmul(x, self.kernel)
        taps.record(hidden[:, None, None, :])
        bent = 0.5 * tf.reduce_sum(hidden**2, axis=1)
        return tf.linalg.matvec(x, self.slope) + bent


def toy(num_classes=0, bend=0.0):
    """Returns the makers (generator, discriminator) of a toy pair."""
    return (
        lambda: Linear(num_classes=num_classes, bend=bend),
        lambda: Quadratic(num_classes=num_classes),
    )


def biggan_pair(ch=2, bn="local"):
    """Returns makers of a BigGAN at 32 px, 3 classes."""
    sizes = {"resolution": 32, "num_channels": 1, "num_classes": 3, "ch": ch}
    return (
        lambda: biggan.BigGANGenerator(
            **sizes, z_dim=8, shared_dim=4, bn_statistics=bn
        ),
        lambda: biggan.BigGANDiscriminator(**sizes),
    )


def stylegan2_pair(resolution=16):
    """Returns makers of an unconditional StyleGAN2."""
    sizes = {"resolution": resolution, "num_channels": 1, "channel_max": 8}
    return (
        lambda: stylegan2.StyleGAN2Generator(
            **sizes, z_dim=6, w_dim=6, mapping_layers=2
        ),
        lambda: stylegan2.StyleGAN2Discriminator(**sizes, mbstd_group_size=2),
    )


def fill(network, seed):
    """Sets weights, noise images and u vectors from a seed, whatever made them."""
    random = np.random.RandomState(seed)
    for name, variable in sorted(base.named_variables(network).items()):
        if variable.trainable or len(variable.shape) > 1 or name.endswith("/u"):
            scale = 1.0 / np.sqrt(max(np.prod(variable.shape[:-1]), 1))
            value = scale * random.randn(*variable.shape)
            if name.endswith("bias"):
                value *= 0.1
            variable.assign(value.astype(np.float32))


def sgd(reg_interval_steps=0):
    """Gradient descent hides no scaling fault."""
    return optimizers.sgd(0.02, reg_interval_steps=reg_interval_steps)


def goal(**options):
    """An objective with logistic losses."""
    defaults = {
        "d_loss": adversarial.d_logistic,
        "g_loss": adversarial.g_logistic,
        "d_scores": scores.scores_separate,
    }
    return objective.Objective(**{**defaults, **options})


def half_life(images, batch_size):
    """A decay that differs from step to step."""
    return ema.half_life(images, batch_size, half_life_images=20)


def make(
    pair, devices, objective, teachers=0, keep_weights=False, imitated=None, **options
):
    """Builds a trainer with weights that depend on the roles only.

    Args:
      pair: makers (generator, discriminator).
      devices: names of the replicas.
      objective: of `goal`.
      teachers: how many, of the discriminator's configuration, or their makers.
      keep_weights: leave what the initializers gave.
      imitated: makes the teacher's generator.
      **options: of the trainer.
    """
    strategy = tf.distribute.MirroredStrategy(
        devices, cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    with strategy.scope():
        found = state.Networks(pair[0](), pair[1](), pair[0]())
        makers = [pair[1]] * teachers if isinstance(teachers, int) else teachers
        found.teachers = [maker() for maker in makers]
        if imitated is not None:
            found.teacher_generator = imitated()
            fill(found.teacher_generator, 77)
        if not keep_weights:
            members = [*found.by_role().values(), *found.teachers]
            for seed, network in enumerate(members):
                fill(network, seed)
        defaults = {
            "g_optimizer": sgd,
            "d_optimizer": sgd,
            "ema_decay": half_life,
            "batch_size": 8,
            "jit": False,
        }
        beside = {
            name: options.pop(name)
            for name in ("class_weights", "lanes")
            if name in options
        }
        wanted = settings.Settings(objective=objective, **{**defaults, **options})
        return trainer.Trainer(found, strategy, 5, wanted, **beside)


def reals(count, side, channels=1, num_classes=0, seed=3):
    """Returns reals as one array each: images [count, ...] in [-1, 1], labels."""
    random = np.random.RandomState(seed)
    images = random.uniform(-1, 1, [count, side, side, channels]).astype(np.float32)
    return images, random.randint(max(num_classes, 1), size=count).astype(np.int32)


def iterator(train, first=0, batches=64):
    """Returns the trainer's distributed iterator from global batch `first` on."""
    generator = train.state.networks.generator
    size = train.reals_per_step
    images, labels = reals(
        size * batches,
        generator.resolution,
        generator.num_channels,
        generator.num_classes,
    )
    start = first * size
    dataset = tf.data.Dataset.from_tensor_slices(
        {"images": images[start:], "labels": labels[start:]}
    ).batch(size, drop_remainder=True)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    options.autotune.enabled = False
    dataset = dataset.with_options(options)
    return iter(train.strategy.experimental_distribute_dataset(dataset))


def steps(train, count, source=None):
    """Runs steps; returns the list of their metrics as floats."""
    source = iterator(train) if source is None else source
    return [
        {name: float(value) for name, value in train.train_step(source).items()}
        for _ in range(count)
    ]


def everything(train):
    """Returns {name: array} of every network, optimizer and slot."""
    networks = dict(train.state.networks.by_role())
    networks |= {f"teacher{i}": t for i, t in enumerate(train.state.networks.teachers)}
    found = {}
    for role, network in networks.items():
        variables = base.named_variables(network, role)
        found |= {name: variable.numpy() for name, variable in variables.items()}
    for name, optimizer in train.state.optimizers.items():
        for index, variable in enumerate(optimizers.state(optimizer)):
            found[f"optimizer/{name}/{index}"] = variable.numpy()
    found |= {name: slot.numpy() for name, slot in train.state.slots.items()}
    return found


def assert_close(left, right, tolerance):
    """Compares two results of `everything` relative to each tensor's size.

    What an optimizer keeps is compared relative to its largest tensor: rounding is as
    large as the largest gradients, and a bias before a normalisation has no other.
    """
    assert left.keys() == right.keys()
    groups = {name: name for name in left}
    for name, value in left.items():
        if name.startswith("optimizer/") and value.ndim:  # not the counter
            groups[name] = name.rsplit("/", 1)[0]
    sizes = dict.fromkeys(groups.values(), 1e-3)
    for name, value in left.items():
        sizes[groups[name]] = max(sizes[groups[name]], np.abs(value).max())
    errors = {
        name: np.abs(value - right[name]).max() / sizes[groups[name]]
        for name, value in left.items()
    }
    worst = max(errors, key=errors.get)
    assert errors[worst] <= tolerance, f"{worst}: {errors[worst]:.3g}"
