"""The engine of gradient matching: objective, loop, regularizers, defense-aware terms."""
