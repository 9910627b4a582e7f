"""Shares that cannot be asked about: nobody has the property, or public examples have it all or not at all."""

import pytest

from fedleak.errors import ConfigError
from fedleak.evaluation.asked_shares import require_told_apart
from fedleak.settings.adversary import AdversarySettings
from fedleak.tasks import source_of


def asked(task: str = "diabetes-mlp", property: str = "sex=2", **settings: object) -> None:
    shares = {"shares": (0.3, 0.6), **settings}
    adversary = AdversarySettings.model_validate({"property": property, **shares})
    require_told_apart(adversary, source_of(task))


def test_what_somebody_has_and_somebody_has_not_may_be_asked_about() -> None:
    asked()
    asked("digits-mlp", "label=3")
    asked(shares=(0.0, 1.0))
    require_told_apart(AdversarySettings(), source_of("digits-mlp"))


def test_what_nobody_has_is_refused(tmp_path) -> None:
    rows = "\n".join(f"{age},{'x' if age % 2 else 'y'},{age % 3}" for age in range(200))
    (tmp_path / "people.csv").write_text(f"age,kind,label\n{rows}\n")
    asked(f"csv:{tmp_path / 'people.csv'}", "kind=x")
    with pytest.raises(ConfigError, match=r"^adversary\.property: column 'kind' has no category 'z'"):
        asked(f"csv:{tmp_path / 'people.csv'}", "kind=z")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"auxiliary": 0}, r"adversary\.auxiliary: expected public examples to train models on"),
        (
            {"auxiliary": 1},
            r"adversary\.shares: a share of 0\.3 cannot be made of the adversary's 1 public examples, of",
        ),
    ],
)
def test_public_examples_must_be_some_of_either_kind(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"^{sentence}"):
        asked(**settings)


def test_a_class_that_public_examples_lack_has_no_share_among_them() -> None:
    with pytest.raises(ConfigError, match=r"a share of 0\.3 cannot be made of .* of which none has 'label=3'"):
        asked("digits-mlp", "label=3", lacks=(3,))
