"""Data sets, one a file; the clients' shares are private, so attacks and the server cannot import this."""
