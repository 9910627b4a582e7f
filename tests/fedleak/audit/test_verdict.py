"""Laws of reading an audit: what is not one is a sentence, whatever is wrong in it."""

import json
from pathlib import Path
from typing import Any

import pytest

from fedleak.audit.verdict import NEEDED, OF_EACH, RESULT, Audited
from fedleak.errors import RecordingError

WHOLE: dict[str, Any] = {name: [] for name in NEEDED} | {
    name: [dict.fromkeys(needed, 0)] for name, needed in OF_EACH.items()
}


def written(folder: Path, text: str) -> Path:
    (folder / RESULT).write_text(text)
    return folder


def test_a_whole_one_is_read(tmp_path: Path) -> None:
    assert Audited.read(written(tmp_path, json.dumps(WHOLE))).facts == WHOLE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is damaged"),
        ("[]", "without 'app'"),
        (json.dumps({**WHOLE, "updates": None}), "without a list of 'updates'"),
        (json.dumps({**WHOLE, "attacks": [3]}), "without a list of 'attacks'"),
        (json.dumps({**WHOLE, "attacks": [{}]}), "without 'attack' of its attacks"),
        (json.dumps({**WHOLE, "updates": [{"client": 0}]}), "without 'facts' of its updates"),
    ],
)
def test_anything_else_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RecordingError, match=words):
        Audited.read(written(tmp_path, text))


def test_a_folder_without_one(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="audit the app again"):
        Audited.read(tmp_path)
