"""Input and output: atomic files, tensor files, JSON lines, TensorBoard events, the fingerprint of the source."""
