"""Testing: the pytest plug-in, its fixture, and what a test can ask of a leak."""
