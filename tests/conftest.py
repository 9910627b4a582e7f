"""Settings of the whole test run."""

from hypothesis import settings

# No deadline: this machine may be busy, and a law holds or does not, however long it takes to see.
settings.register_profile("fedleak", deadline=None)
settings.load_profile("fedleak")
