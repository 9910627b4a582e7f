"""Secrets in texts: which of all candidates of a known format a model has seen."""
