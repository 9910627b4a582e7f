"""`python -m fedleak` is the `fedleak` command."""

from fedleak.cli import main

main()
