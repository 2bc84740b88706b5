"""From a trained generator to images by seed and to files that run elsewhere."""
