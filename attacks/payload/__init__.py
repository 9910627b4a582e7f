"""Hidden payloads: what training code from somebody else wrote into a model."""
