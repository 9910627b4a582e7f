"""Defenses compared: against attackers who know them and such as do not, beside what they cost in accuracy."""
