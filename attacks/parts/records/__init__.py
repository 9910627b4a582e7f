"""Per-record evidence: losses and gradients of candidate records."""
