"""What loading a checkpoint returns."""

import dataclasses


@dataclasses.dataclass
class Loaded:
    """Networks of a checkpoint, in our classes.

    Attributes:
      generator: the moving-average generator, or the only one.
      generator_raw: the generator as trained, where the file has both; else None.
      discriminator: None where the file has none.
      family: 'stylegan2', 'biggan' or 'biggan_deep'.
      config: constructor arguments of the generator and, under 'discriminator', of
        the discriminator.
      report: 'format', 'source', 'sha256', 'parameters', 'ignored' and notes.
    """

    generator: object
    generator_raw: object
    discriminator: object
    family: str
    config: dict
    report: dict = dataclasses.field(default_factory=dict)
