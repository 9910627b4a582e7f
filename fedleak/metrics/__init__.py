"""Metrics, one a file; discovered by a scan of this folder."""
