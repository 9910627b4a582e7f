"""Serving: prediction APIs that an adversary asks, of a released model or of the user's own, and what was asked."""
