"""Official checkpoints in and out, without running code from them."""
