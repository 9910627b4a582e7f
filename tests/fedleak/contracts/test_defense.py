"""Where a defense acts is told by what it overrides, also in a wrapper; names of an earlier version are refused."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import PLACES, ClientSide, Defense, OperatorSide, defenses
from fedleak.contracts.party_side import PartySide
from fedleak.contracts.plugin import require_current_names
from fedleak.contracts.received import Inspection
from fedleak.defenses.clipping import Clipping
from fedleak.defenses.error_feedback import ErrorFeedback
from fedleak.defenses.more_local_steps import MoreLocalSteps
from fedleak.defenses.top_k import TopK
from fedleak.errors import ConfigError

ACTING = {
    "ats": {"examples"},
    "clipping": {"update"},
    "cut-noise": {"embedding"},
    "d-snr": {"received"},
    "dp-sgd": {"requirements", "training", "gradient"},
    "dropout": {"requirements", "task"},
    "error-feedback": {"requirements", "state", "update"},
    "gaussian-noise": {"update"},
    "group-norm": {"requirements", "task"},
    "larger-batches": {"training"},
    "marvell": {"requirements", "slopes"},
    "loss-watch": {"received"},
    "mixup": {"training", "examples"},
    "model-consistency": {"received"},
    "nopeek": {"objective"},
    "prada": {"answers"},
    "pruning": {"release"},
    "rounding": {"answers"},
    "secure-aggregation": {"training", "update", "protocol"},
    "weight-watch": {"received"},
    "withhold": {"requirements", "layers"},
}


@pytest.mark.parametrize("name", ACTING)
def test_it_acts_where_it_overrides(name: str) -> None:
    assert defenses.get(name).acts_on == ACTING[name]


def test_every_member_of_the_client_s_the_operator_s_and_the_party_s_side_is_a_place() -> None:
    sides = (*vars(Inspection), *vars(ClientSide), *vars(OperatorSide), *vars(PartySide))
    assert set(PLACES) == {name for name in sides if not name.startswith("_")}


def test_every_defense_acts_somewhere_but_the_servers_own() -> None:
    assert [cls.name for cls in defenses if not cls.acts_on] == []
    assert Defense.acts_on == frozenset()


def test_a_part_of_several_defenses_counts_too() -> None:
    class Halving:
        def protect(self, update, rng):
            return update.scaled(0.5)

    @dataclass(frozen=True, kw_only=True)
    class Halved(Halving, Defense):
        pass

    @dataclass(frozen=True, kw_only=True)
    class TwiceAsLong(Halved):
        def settings(self, federation):
            return federation.model_copy(update={"epochs": 2})

    assert Halved.acts_on == {"update"}
    assert TwiceAsLong.acts_on == {"training", "update"}


def test_a_wrapper_can_say_that_it_acts_where_the_wrapped_defense_does() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Wrapped(Defense):
        name = "wrapped"
        of: Defense

        @property
        def acts_on(self):
            return self.of.acts_on

        def gradient(self, step, rng):
            return self.of.gradient(step, rng)

        def protect(self, update, rng):
            return self.of.protect(update, rng)

    assert Wrapped(of=Clipping(max_norm=1.0)).acts_on == {"update"}
    assert len(Chain((Wrapped(of=Clipping(max_norm=1.0)), defenses.build("censor", {})))) == 2
    assert ErrorFeedback(of=Wrapped(of=TopK(fraction=0.5)))
    with pytest.raises(ConfigError, match="acts on the update alone"):
        ErrorFeedback(of=Wrapped(of=MoreLocalSteps()))


@pytest.mark.parametrize(
    ("old", "new"),
    [("harden", "transform_task"), ("misfit", "negative_log_likelihood"), ("restored", "invert_examples")],
)
def test_a_method_of_an_earlier_version_is_told_its_name_of_today(old: str, new: str) -> None:
    with pytest.raises(ConfigError, match=rf"defense 'outside' .* has '{old}', which is called '{new}' now"):
        defenses.register("outside")(type("Outside", (Defense,), {old: lambda self, task: task}))


def test_so_is_a_class_variable_of_a_dataclass() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Outside(Defense):
        rolls_dice: ClassVar = True

    with pytest.raises(ConfigError, match="has 'rolls_dice', which is called 'stochastic' now"):
        defenses.register("outside")(Outside)


def test_so_is_a_variable_but_no_option_of_such_a_name() -> None:
    with pytest.raises(ConfigError, match="has 'knowledge', which is called 'adaptive_strategy' now"):
        defenses.register("outside")(type("Outside", (Defense,), {"knowledge": "finds the masks"}))

    @dataclass(frozen=True, kw_only=True)
    class Outside(Defense):
        bounded: float = 1.0
        expected: bool = True

    require_current_names("defense", "outside", Outside)


def test_a_citation_that_is_nowhere_is_one_sentence() -> None:
    class Outside(Defense):
        name = "outside"
        cites = "nokey2020"

    with pytest.raises(ConfigError, match="'outside' cites 'nokey2020', which citations"):
        Outside.citation()
