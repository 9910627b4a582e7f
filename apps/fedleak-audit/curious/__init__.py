"""A federation whose server is curious."""
