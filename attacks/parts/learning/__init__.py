"""Networks that attackers train: shadow updates, inverters, autoencoders, untrained generators."""
