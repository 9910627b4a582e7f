"""The vault: what clients really trained on. Only clients write it, only scoring and verification read it."""
