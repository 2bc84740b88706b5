"""Terms: losses that a training adds to the game, as choices in gin."""
