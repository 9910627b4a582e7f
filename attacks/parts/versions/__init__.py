"""Pieces of attacks on two versions of a model: simulated updates, and networks that read what changed."""
