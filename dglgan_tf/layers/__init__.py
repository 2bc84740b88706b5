"""Keras layers shared by the network families."""
