"""Manipulations: what a malicious server does, one a file."""
