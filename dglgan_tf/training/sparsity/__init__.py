"""Dynamic sparse training: masks that move with the weights."""
