"""StyleGAN2: the files of NVIDIA's two releases and of rosinality."""
