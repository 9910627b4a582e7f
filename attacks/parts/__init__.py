"""Pieces that attacks are composed of."""
