"""Verification: does each recorded update follow from the true batch of its client?"""
