"""Membership inference: which candidate records are behind an update."""
