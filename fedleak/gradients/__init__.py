"""Gradients: public mathematics of an update, for attackers and defenders alike."""
