"""FreezeD: which variables an optimizer still gets."""

import pytest

from dglgan_tf.compat import keras
from dglgan_tf.training import freeze


class Critic(keras.Model):
    """Blocks in a list or a dict, then a head."""

    def __init__(self, as_dict):
        super().__init__()
        blocks = [self._dense() for _ in range(3)]
        self.blocks = dict(zip("abc", blocks, strict=True)) if as_dict else blocks
        self.head = self._dense()

    def _dense(self):
        layer = keras.layers.Dense(2)
        layer.build([1, 2])
        return layer


@pytest.mark.parametrize("as_dict", [False, True])
def test_the_blocks_next_to_the_image_leave_the_trainable_variables(as_dict):
    critic = Critic(as_dict)
    everything = len(critic.trainable_variables)
    freeze.freeze_first_blocks(critic, 2)
    kept = {id(v) for v in critic.trainable_variables}
    blocks = list(critic.blocks.values()) if as_dict else critic.blocks
    wanted = blocks[2].weights + critic.head.weights
    assert kept == {id(v) for v in wanted}
    freeze.freeze_first_blocks(critic, 0)
    assert len(critic.trainable_variables) == everything


def test_too_many_blocks_or_none_are_refused():
    with pytest.raises(ValueError, match="count=4 must be between 0 and 3"):
        freeze.freeze_first_blocks(Critic(False), 4)
    with pytest.raises(ValueError, match="Dense has no attribute `blocks`"):
        freeze.freeze_first_blocks(keras.layers.Dense(1), 1)
