"""Layer-wise inversion: the inputs of each layer from those of the next."""
