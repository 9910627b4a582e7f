"""Model inversion: what the examples of a class look like, told by a released model or its answers."""
