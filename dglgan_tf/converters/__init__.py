"""Official checkpoints in and out: no code from the file runs, no PyTorch is needed."""

from dglgan_tf.containers.errors import CheckpointError

__all__ = ["CheckpointError", "export_checkpoint", "load_checkpoint"]


def load_checkpoint(path, config=None):
    """Loads an official checkpoint, or one of ours.

    Args:
      path: NVIDIA `.pkl`, rosinality `.pt`, BigGAN-PyTorch `.pth` or folder,
        HuggingFace BigGAN-deep folder, TF-Hub SavedModel folder, StudioGAN `.pth`,
        our `.safetensors` or a folder with one.
      config: dict of constructor arguments that overrides what the file implies; those
        of the discriminator alone under the key 'discriminator'.

    Returns:
      `result.Loaded`: generator (moving average or only one), generator_raw,
      discriminator, family, config, report.

    Raises:
      CheckpointError: with one sentence.
    """
    from dglgan_tf.converters import loading

    return loading.load_checkpoint(path, config)


def export_checkpoint(networks, path, to: str):
    """Writes networks in the layout of another code base.

    Args:
      networks: {role: network} with the roles 'generator', 'generator_ema',
        'discriminator', or a `result.Loaded`.
      path: file to write; a folder for 'biggan_pytorch'.
      to: 'ada', 'rosinality', 'tf1' or 'biggan_pytorch'.

    Returns:
      Paths of the files written.

    Raises:
      CheckpointError: the layout cannot hold such a network.
    """
    from dglgan_tf.converters import exporting

    return exporting.export_checkpoint(networks, path, to)
