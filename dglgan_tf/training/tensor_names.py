"""Which tensor of a step was not finite, in words."""

from dglgan_tf.networks import base
from dglgan_tf.training import trainer


def tensor_name(train: trainer.Trainer, phase_name: str, index: int) -> str:
    """Names what the metric '<phase>/skipped' = 1 + index means."""
    (found,) = (item for item in train.phases if item.name == phase_name)
    if index >= len(found.variables):
        return "loss"
    networks = train.state.networks
    members = networks.by_role()
    members |= {f"teacher{i}": t for i, t in enumerate(networks.teachers)}
    known = dict(train.state.slots)
    for role, network in members.items():
        known |= base.named_variables(network, role)
    for name, variable in known.items():
        if variable is found.variables[index]:
            return f"the gradient of {name}"
    return f"variable {index}"
