"""Learning: batches, weights, updates, tasks and the local training of a client."""
