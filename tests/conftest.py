"""Settings of the whole test run."""

import os

# Before torch is imported: one thread a process, here and in the processes that tests start. Several workers share the
# cores, and threads that wait for each other over six pixels cost more than they give.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from hypothesis import settings  # noqa: E402

# No deadline: this machine may be busy, and a law holds or does not, however long it takes to see.
settings.register_profile("fedleak", deadline=None)
settings.load_profile("fedleak")
