"""Figures: the gallery and its panels as pictures."""
