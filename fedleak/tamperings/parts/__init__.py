"""Pieces that tamperings and the attacks that read them are made of: what whoever wrote the code knows."""
