"""Property inference: what most examples behind an update have in common."""
