"""Settings: the tables of an experiment file that a federation is run from."""
