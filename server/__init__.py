"""What the adversary runs: the server, its tap, and the aggregation protocols."""
