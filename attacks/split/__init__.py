"""Attacks on a cut: what who sits at the table of split training makes of embeddings and of gradients that return."""
