"""How images change on their way to a discriminator: ADA, DiffAugment."""
