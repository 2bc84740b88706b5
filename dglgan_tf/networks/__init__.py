"""Generators and discriminators: the only place where a family has a name."""
