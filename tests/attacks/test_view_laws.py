"""What holds for every attack that looks at a released model or a service, ours and those of installed packages."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import pytest
import torch
from torch import Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.cut import Cut
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served, Service
from fedleak.contracts.tampering import tamperings
from fedleak.contracts.view import View
from fedleak.data.splits import load
from fedleak.learning.likelihood import Likelihood
from fedleak.learning.task import Task
from fedleak.models.generator import Generating
from fedleak.randomness import generator, seeded
from fedleak.tasks import task_of

COUNTS = {
    "steps": 8,
    "restarts": 1,
    "iterations": 3,
    "epochs": 2,
    "shadows": 4,
    "hidden": 16,
    "training_steps": 10,
    "copies": 2,
    "models": 3,
    "rounds": 3,
}
"""What attacks are cut down to: these laws ask nothing of how good a guess is, their own tests do."""
SHIPPED = [cls for cls in attacks if not cls.__module__.rpartition(".")[2].startswith(("test_", "conftest"))]
NAMES = [cls.name for cls in SHIPPED if not issubclass(Observation, cls.declared) and cls.declared is not Cut]
MEMBERSHIP = [cls.name for cls in SHIPPED if cls.name in NAMES and "membership" in attacks.build(cls.name, {}).targets]
ASKING = [cls.name for cls in SHIPPED if cls.declared is Served]
BUDGET = 60

Seen = Callable[..., Any]


def quick(name: str) -> Attack[Any]:
    cls = attacks.get(name)
    return attacks.build(name, {field.name: COUNTS[field.name] for field in fields(cls) if field.name in COUNTS})


def same(one: Reconstruction, other: Reconstruction) -> bool:
    """To the last bit, in every goal's field and in what is said of it."""
    for field in fields(Reconstruction):
        ours, theirs = (getattr(guess, field.name) for guess in (one, other))
        if isinstance(ours, Tensor) and isinstance(theirs, Tensor):
            if not torch.allclose(ours, theirs, rtol=0, atol=0, equal_nan=True):
                return False
        elif field.name != "snapshots" and repr(ours) != repr(theirs):
            return False
    return True


@dataclass(frozen=True)
class Older(Service):
    """An earlier version of what a service answers with: less sure of everything. It has the same budget and log."""

    latest: Any

    @property
    def remaining(self) -> int:
        return int(self.latest.remaining)

    def ask(self, inputs: Tensor) -> Tensor:
        said: Tensor = self.latest.ask(inputs)
        return (0.9 * said.log()).softmax(1)


@pytest.fixture
def seen(trained, release, serve, hiding, answered, typing) -> Seen:
    """What an attack looks at: a model or a service, with public data of three classes, asked about two."""
    classifying, drawn = trained
    with seeded("generating"):
        network = Generating((1, 6, 6), 4, hidden=8, latent=3)
    generating = Task("tiny-generator", network, (1, 6, 6), 4, criterion=Likelihood())

    def made(name: str, queries: int = BUDGET, **changed: Any) -> View:
        task = classifying
        if "weights" in quick(name).requires:  # of a logistic regression, or a tree that asks about nothing yet
            network = "decision-tree" if name == "path-restriction" else "linear"
            splits = load("diabetes-linear")
            return answered(
                task_of(f"diabetes-{network}"),
                splits.clients[torch.arange(120)],
                ("sex",),
                **{"auxiliary": splits.auxiliary, **{key: changed[key] for key in changed if key == "auxiliary"}},
            )
        if "columns" in quick(name).targets:  # of a table, and of no image
            return hiding[0](queries, view=attacks.get(name).declared, **changed)
        if "secrets" in quick(name).targets:  # of a text
            return typing(attacks.get(name).declared, queries, **{**changed, "candidates": None})
        drawn_of = drawn(60, "public")
        known = {
            "classes": (3, 0),
            "auxiliary": drawn_of[(drawn_of.labels != 3).nonzero()[:, 0]],
            "candidates": drawn(10, "candidates"),
            **changed,
        }
        if quick(name).reads:
            whose = {"property": "label=1"} if "properties" in quick(name).targets else {}
            does = tuple(tamperings.build(one, whose) for one in sorted(quick(name).reads))
            known |= {"tampering": does, **changed}
        if "properties" in quick(name).targets:  # which share of all examples is of a class
            known |= {"auxiliary": drawn_of, "property": "label=1", "shares": (0.1, 0.5), **changed}
            task = generating if "generator" in name else classifying
        if attacks.get(name).declared is Served:
            latest = serve(task, queries, **known)
            return replace(latest, earlier=(replace(latest, service=Older(latest.service)),), round=2)
        return release(task, **known, earlier=(release(task, **known),))

    return made


def test_there_is_such_an_attack() -> None:
    assert all(issubclass(attacks.get(name).declared, (Released, Served)) for name in NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_same_dice_same_guess_and_nothing_is_changed(name: str, seen: Seen) -> None:
    view = seen(name)
    network = view.task.network
    before = [value.clone() for value in (*network.state_dict().values(), view.auxiliary.inputs)]
    assert same(quick(name).run(view, generator(7)), quick(name).run(seen(name), generator(7)))
    after = [*network.state_dict().values(), view.auxiliary.inputs]
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_gives_what_it_promises_for_each_that_is_asked_about(name: str, seen: Seen) -> None:
    view, attack = seen(name), quick(name)
    guess = attack.run(view, generator(7))
    assert guess.failure is None
    given = {kind for kind in attack.targets if getattr(guess, kind) is not None}
    assert given == attack.targets
    if guess.representatives is not None:
        assert guess.representatives.shape == (2, *view.task.shape)
        known = guess.representatives[guess.representatives.isfinite().flatten(1).all(1)]
        assert known.dtype == torch.float32
        assert ((known >= 0) & (known <= 1)).all()
    if guess.membership is not None:
        assert guess.membership.shape == (len(view.candidates),)
    if guess.properties is not None:
        assert guess.properties.sum().item() == pytest.approx(1.0)
        assert guess.properties.shape == (len(view.shares),) == (2,)
    if guess.columns is not None:
        assert guess.columns.shape == (len(view.rows), 2)
        assert guess.columns.abs().max() <= 1
    if guess.secrets is not None:
        assert guess.secrets.shape == (view.secret.candidates,)
        assert guess.secrets.isfinite().any()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_who_holds_nothing_else_gets_a_guess_or_a_reason(name: str, seen: Seen) -> None:
    for missing in ({"auxiliary": None}, {"classes": (), "candidates": None, "property": "", "shares": ()}):
        guess = quick(name).run(seen(name, **missing), generator(7))
        assert guess.failure or any(getattr(guess, kind) is not None for kind in quick(name).targets)


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize("queries", [0, 1, 10, 300])
def test_no_attack_asks_beyond_the_budget(name: str, queries: int, seen: Seen) -> None:
    view = seen(name, queries)
    guess = quick(name).run(view, generator(7))
    assert guess.failure is None
    assert sum(map(len, view.service.log)) <= queries


@pytest.mark.parametrize("name", ASKING)
def test_where_all_is_refused_there_is_a_guess_from_public_data(name: str, seen: Seen) -> None:
    view = seen(name)

    def refused(inputs: Tensor) -> Tensor:
        return torch.full((len(inputs), view.task.classes), torch.nan)

    silent = replace(view, service=replace(view.service, probabilities=refused, log=[]))
    guess = quick(name).run(silent, generator(7))
    assert guess.failure is None
    assert guess.representatives is None or guess.representatives.isfinite().all()


@dataclass(frozen=True)
class Piped(Service):
    """A service that is somewhere else: of it nothing is here but one end of a pipe."""

    connection: Connection
    version: int = 0

    @property
    def remaining(self) -> int:
        self.connection.send((self.version, None))
        return int(self.connection.recv())

    def ask(self, inputs: Tensor) -> Tensor:
        self.connection.send((self.version, inputs.numpy()))
        return torch.from_numpy(self.connection.recv())

    def explain(self, inputs: Tensor) -> Tensor:
        self.connection.send((self.version, (True, inputs.numpy())))
        return torch.from_numpy(self.connection.recv())


def answer(services: list[Service], far_end: Connection, connection: Connection) -> None:
    """Asks services whatever comes through a pipe, until its other end is closed."""
    far_end.close()  # the copy of it that this process was born with, or the pipe would never end
    with suppress(EOFError):
        while True:
            version, asked = connection.recv()
            explains, inputs = asked if isinstance(asked, tuple) else (False, asked)
            service = services[version]
            if inputs is None:
                connection.send(service.remaining)
            else:
                given = torch.from_numpy(inputs)
                connection.send((service.explain(given) if explains else service.ask(given)).numpy())


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKING)
def test_of_a_service_in_another_process_it_learns_the_same_to_the_last_bit(name: str, seen: Seen) -> None:
    """So it reads nothing of a service but its answers, and how many are left."""
    view, here = seen(name, 120), seen(name, 120)
    context = get_context("fork")
    ours, theirs = context.Pipe()
    services = [view.service, *(one.service for one in view.earlier)]
    process = context.Process(target=answer, args=(services, ours, theirs), daemon=True)
    process.start()
    theirs.close()
    with ours:
        before = tuple(replace(one, service=Piped(ours, 1 + i)) for i, one in enumerate(view.earlier))
        far = quick(name).run(replace(view, service=Piped(ours), earlier=before), generator(7))
    process.join()
    assert same(far, quick(name).run(here, generator(7)))
    assert not view.service.log


CUTS = 12
"""Models or shufflings that a figure of guessing is the mean over."""


@pytest.mark.slow
@pytest.mark.parametrize("name", MEMBERSHIP)
def test_of_a_model_that_trained_on_none_of_them_it_guesses(name: str, trained, seen: Seen, told_apart) -> None:
    """The channel cut: the same attack and knowledge, and a model that no candidate had a part in."""
    _, drawn = trained
    found = [told_apart(quick(name).run(seen(name, 400, candidates=drawn(100, ("cut", one))), generator(one)))
             for one in range(CUTS)]  # fmt: skip
    assert sum(found) / CUTS == pytest.approx(0.5, abs=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*MEMBERSHIP} & {*ASKING}))
def test_from_answers_to_other_questions_it_tells_no_member(name: str, overfit, serve, told_apart, batch_of) -> None:
    """But for which classes are frequent among the answers, which is as frequent as it was, and among these members."""
    task, candidates = overfit
    found = []
    for one in range(CUTS):
        rng = generator("shuffled", one)

        def shuffled(said: Tensor, rng: Any = rng) -> Tensor:
            return said[torch.randperm(len(said), generator=rng)]

        view = serve(task, 400, shuffled, candidates=candidates, num_examples=40, auxiliary=batch_of(task, 60, 9))
        found.append(told_apart(quick(name).run(view, generator(one))))
    assert sum(found) / CUTS == pytest.approx(0.5, abs=0.1)
