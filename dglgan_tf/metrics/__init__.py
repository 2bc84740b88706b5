"""Metrics on features, and the networks that make them."""
