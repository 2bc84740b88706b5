"""A local page on which networks are tried."""
