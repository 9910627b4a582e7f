"""Attacks on what a trained model, or a service that answers with it, tells of the classes it was trained on."""
