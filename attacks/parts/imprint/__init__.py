"""Pieces of readouts of a planted layer that sorts images into bins."""
