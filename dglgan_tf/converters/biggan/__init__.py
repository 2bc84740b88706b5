"""BigGAN: BigGAN-PyTorch, StudioGAN, TF-Hub, HuggingFace's BigGAN-deep."""
