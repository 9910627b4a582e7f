"""Evaluation: from a recording to scores. What the adversary is shown, the challenge, matching of guesses to truths."""
