"""Gin files and bindings, and the checks of configured values."""
