"""Gradient matching: inputs optimised until their gradient matches the observed update."""
