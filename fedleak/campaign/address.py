"""Content addresses: the same experiment, or cell of one, has the same address on any machine."""

import hashlib
import json
from typing import Any

import tomli_w

from fedleak.experiment import Experiment
from fedleak.settings import Table


def address_of(facts: Any) -> str:
    """A short digest of plain data."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def experiment_facts(experiment: Experiment) -> Table:
    """The experiment as plain data with every option of its attacks and defenses written out."""
    facts = experiment.model_dump(mode="json", exclude_none=True)
    facts["attacks"] = attack_tables(experiment)
    facts["defenses"] = [
        {"name": name, "chain": [{"use": defense.name, **defense.options()} for defense in chain]}
        for name, chain in experiment.build_chains().items()
    ]
    return facts


def attack_tables(experiment: Experiment) -> list[Table]:
    """`{use = name, ...}` with every option, for each attack."""
    return [{"use": attack.name, **attack.options()} for attack in experiment.build_attacks()]


def to_toml(experiment: Experiment) -> str:
    """The experiment as a file that says everything and gives the same run again."""
    return tomli_w.dumps(experiment_facts(experiment))
