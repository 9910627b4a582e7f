"""Texts: what they are read from, which stretches are public, and what alphabet the public knows.

The clients' stretches are private, so that attacks cannot import this; of a text they get an input space
(`fedleak.learning.text`): an alphabet by public stretches alone, and the length of a window.
"""
