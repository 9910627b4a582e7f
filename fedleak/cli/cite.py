"""`fedleak cite`: the paper behind a name, as BibTeX."""

import typer

from fedleak.cli.options import PluginName
from fedleak.contracts.catalogue import PACKAGES, entries
from fedleak.errors import ConfigError, did_you_mean


def command(name: PluginName) -> None:
    """Print the BibTeX of the paper that an attack, defense or metric follows."""
    known = {entry.name: entry.bibtex for kind in PACKAGES for entry in entries(kind)}
    if name not in known:
        raise ConfigError(f"no attack, defense or metric is called '{name}'{did_you_mean(name, known)}")
    typer.echo(known[name])
