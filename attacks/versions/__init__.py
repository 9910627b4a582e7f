"""Versions: what was trained on between two releases of a model."""
