"""Pieces of attacks on secrets in texts."""
