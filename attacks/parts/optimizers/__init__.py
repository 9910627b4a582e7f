"""Optimizers: first-order, L-BFGS and CMA-ES, each an ask-and-tell coroutine."""
