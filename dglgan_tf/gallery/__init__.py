"""Ways of looking at a generator: sheets, neighbours, projection, directions."""
