"""The server: what the adversary runs. Its tap and the aggregation protocols."""
