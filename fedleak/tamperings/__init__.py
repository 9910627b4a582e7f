"""Tamperings: what training code from somebody else does beside training. One file each."""
