"""Losses: pure functions, one value per example, float32, unreduced, unweighted."""
