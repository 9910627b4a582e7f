"""Baselines: what guessing gives without the update."""
