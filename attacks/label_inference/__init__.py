"""Label inference: which labels, and how many of each, are in a batch."""
