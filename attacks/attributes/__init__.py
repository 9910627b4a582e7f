"""Attribute inference: what known people's rows say in columns that are hidden, from a model's answers."""
