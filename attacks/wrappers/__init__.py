"""Wrappers: attacks that run another attack."""
