"""Gradient matching: inputs optimized until their gradient matches the observed update."""
