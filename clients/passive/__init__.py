"""A party without labels."""
