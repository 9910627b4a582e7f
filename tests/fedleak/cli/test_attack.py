"""What `fedleak attack` refuses before it reads a recording."""

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("use=idlg", "--set use: the attack is named by --use dlg; leave one of the two out"),
        ("steps", "--set steps: expected option=value, as in --set steps=400"),
        (
            "steps=1\nseed = 2",
            "--set steps: expected one value, got '1\\nseed = 2'; give each setting a --set of its own",
        ),
    ],
)
def test_a_bad_option_is_one_sentence(setting, sentence):
    said = CliRunner().invoke(app, ["attack", "none", "--use", "dlg", "--set", setting])
    assert said.exit_code == 2
    assert said.stderr.splitlines()[-1] == f"error: {sentence}"
