"""Generators: what an attack searches in place of pixels, learned from public images."""
