"""Ways of looking at a generator: paths, sheets, neighbours, projection, directions."""
