"""`fedleak cite`: the paper behind a name, as BibTeX."""

from typing import Annotated

import typer


def cite(name: Annotated[str, typer.Argument(help="An attack, defense or metric.")]) -> None:
    """Print the BibTeX of the paper that an attack, defense or metric follows."""
    from fedleak.contracts.attack import attacks
    from fedleak.contracts.defense import defenses
    from fedleak.contracts.metric import metrics
    from fedleak.errors import ConfigError, did_you_mean

    known = {cls.name: cls for registry in (attacks, defenses, metrics) for cls in registry}
    if name not in known:
        raise ConfigError(f"no attack, defense or metric is called '{name}'{did_you_mean(name, known)}")
    typer.echo(known[name].citation())
