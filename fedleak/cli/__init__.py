"""The command line, one command a file; nothing here imports torch before a command needs it."""

import sys

from fedleak.cli.app import app


def main() -> None:
    """The entry point of the `fedleak` command."""
    sys.exit(app())
