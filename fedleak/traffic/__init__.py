"""Traffic: what the operator of a prediction API sees of attacks, beside users who mean no harm."""
