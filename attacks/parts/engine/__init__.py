"""The engine of gradient matching: objective, loop, initialization, regularizers, defense-aware terms."""
