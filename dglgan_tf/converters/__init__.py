"""Official checkpoints in and out: no code from the file runs, no PyTorch is needed."""
