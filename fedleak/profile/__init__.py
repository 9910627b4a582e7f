"""Leakage profile: what an update leaks by construction, layer by layer and without an attack; one indicator a file.

The view is the defender's, who designs the system and may look at the clients' examples; no attack gets to see it.
"""
