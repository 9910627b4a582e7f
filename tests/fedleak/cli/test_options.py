"""Plain data is what JSON can hold."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from fedleak.cli.options import plain, write_json


@dataclass(frozen=True)
class Leaf:
    value: float
    path: Path


def test_dataclasses_mappings_sequences_and_paths_become_plain():
    facts = {"leaf": Leaf(math.nan, Path("a/b")), 1: (True, None, math.inf, 0.5), "text": "µ"}
    assert plain(facts) == {"leaf": {"value": None, "path": "a/b"}, "1": [True, None, None, 0.5], "text": "µ"}


def test_it_is_written_as_json_that_every_terminal_can_show(capsys):
    write_json({"unit": "µ"})
    said = capsys.readouterr().out
    assert said.isascii()
    assert json.loads(said) == {"unit": "µ"}
