"""Discriminator-guided GAN compression (DGL-GAN) in TensorFlow 2 and Keras.

Importing the package imports neither TensorFlow nor Keras: entries do so late, so
that `--help` answers at once.
"""

__version__ = "0.1.0"
