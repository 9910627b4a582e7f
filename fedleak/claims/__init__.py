"""Claims of differential privacy, checked without a run: what a setting is worth, and what is wrong in it."""
