"""Shares of a property: models of the adversary's own, of each of which it knows the share, and what is read off."""
