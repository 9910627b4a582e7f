"""Pieces that manipulations are made of."""
