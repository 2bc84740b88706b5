"""One training and one recipe, from configuration to DONE: knows all other rooms."""
