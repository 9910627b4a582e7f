"""The party with the labels and the top network."""
