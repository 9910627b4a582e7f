"""Network architectures, one a file; discovered by a scan of this folder."""
