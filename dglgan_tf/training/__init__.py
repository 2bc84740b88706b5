"""Objective, phases, trainer, optimizers, EMA and checkpoints."""
