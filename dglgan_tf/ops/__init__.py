"""Stateless tensor functions: no variables, no Keras, no gin."""
