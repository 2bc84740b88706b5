"""Images by seed from a generator, truncation, paths through latent space."""
