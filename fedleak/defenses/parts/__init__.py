"""Parts of defenses: likelihoods, mixtures, image transformations, dense layers."""
