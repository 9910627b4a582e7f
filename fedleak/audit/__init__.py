"""Audit of a Flower app as it stands: it is run here, its messages are kept, and its training is watched."""
