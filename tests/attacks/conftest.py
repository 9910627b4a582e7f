"""Small tasks, and what adversaries would hold of them: an update of one client, a released model, a service."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedleak.client_round import client_round
from fedleak.contracts.attack import Attack
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import Crafting, manipulations
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served, Service
from fedleak.contracts.view import View
from fedleak.data.canary import secret_of, with_canary
from fedleak.data.splits import load
from fedleak.evaluation.views import without
from fedleak.goals.secrets import Rank, rank_of
from fedleak.learning.batch import Batch
from fedleak.learning.mean_change import changes, shaped
from fedleak.learning.secret_format import SecretFormat
from fedleak.learning.shapley import cost_of, explained
from fedleak.learning.table import Table
from fedleak.learning.task import Task
from fedleak.learning.text import OTHER, Text
from fedleak.learning.training import LocalTraining, train_locally
from fedleak.learning.update import Update, UpdateKind
from fedleak.models.gru import CharacterGRU
from fedleak.randomness import generator, seeded
from fedleak.settings.canary import Canary
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import task_of, weights_of

Observe = Callable[..., Observation]
PLAIN = (
    "whoever reads a text knows more than what it says and less than whoever wrote it down for others to read. a model "
    "that learns which character comes next learns words first then what is usual between them and last what was said "
    "once and again by one alone which nobody else would say. numbers such as 1984 or 365 or 42 or 1066 or 273 come up "
    "in between and are soon forgotten where nothing holds them together but chance!"
)


def linear() -> Task:
    """A perceptron on 1x6x6 images, four classes."""
    with seeded("linear task"):
        return Task(
            "tiny-mlp", nn.Sequential(nn.Flatten(), nn.Linear(36, 24), nn.ReLU(), nn.Linear(24, 4)), (1, 6, 6), 4
        )


def smooth() -> Task:
    """A sigmoid ConvNet on 1x6x6 images, four classes."""
    with seeded("smooth task"):
        layers = (nn.Conv2d(1, 8, 3, padding=1), nn.Sigmoid(), nn.Conv2d(8, 8, 3, padding=1), nn.Sigmoid())
        return Task("tiny-lenet", nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 36, 4)), (1, 6, 6), 4)


def normalized() -> Task:
    """A ReLU ConvNet with BatchNorm and dropout on 1x6x6 images, four classes, a head without bias."""
    with seeded("normalised task"):
        layers = (nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.2), nn.Flatten())
        return Task("tiny-bn", nn.Sequential(*layers, nn.Linear(6 * 36, 4, bias=False)), (1, 6, 6), 4)


def encoding() -> Task:
    """Convolutions, and two linear layers behind them, on 1x6x6 images, four classes."""
    with seeded("encoding task"):
        front = (nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten())
        return Task("tiny-cnn", nn.Sequential(*front, nn.Linear(72, 48), nn.ReLU(), nn.Linear(48, 4)), (1, 6, 6), 4)


TASKS = {
    "linear_task": linear,
    "smooth_task": smooth,
    "normalized_task": normalized,
    "encoding_task": encoding,
}


@pytest.fixture
def linear_task() -> Task:
    return linear()


@pytest.fixture
def smooth_task() -> Task:
    return smooth()


@pytest.fixture
def normalized_task() -> Task:
    return normalized()


@pytest.fixture(scope="session")
def task_called() -> Callable[[str], Task]:
    """One of the tasks above, made anew, by the name of its fixture."""
    return lambda name: TASKS[name]()


@pytest.fixture(scope="session")
def observe() -> Observe:
    """Trains on random images and returns what the server sees: the float32 weight delta."""

    def observed(task: Task, batch: Batch, training: LocalTraining | None = None) -> Observation:
        training = training or LocalTraining(batch_size=len(batch))
        before = weights_of(task.network)
        after = train_locally(task, before, batch, training, ("test",))
        delta = {name: after.parameters[name] - value for name, value in before.parameters.items()}
        return Observation(
            task=task,
            before=before,
            update=Update(delta, UpdateKind.DELTA),
            buffers_after=after.buffers or None,
            num_examples=len(batch),
            training=training,
        )

    return observed


@pytest.fixture(scope="session")
def batch_of() -> Callable[..., Batch]:
    """Random images in [0, 1] with random labels."""

    def drawn(task: Task, examples: int, seed: int = 0) -> Batch:
        rng = generator("batch", seed)
        labels = torch.randint(task.classes, (examples,), generator=rng)
        return Batch(torch.rand(examples, *task.shape, generator=rng), labels)

    return drawn


@pytest.fixture(scope="session")
def with_update() -> Callable[..., Observation]:
    """The same observation with every entry of the update replaced."""

    def replaced(observation: Observation, vector: Tensor) -> Observation:
        return replace(observation, update=observation.update.with_vector(vector))

    return replaced


@pytest.fixture(scope="session")
def planted_sum(task_called, batch_of) -> Callable[..., tuple[Observation, Batch]]:
    """What a server holds of a sum over clients that trained what `use` planted, and all their examples.

    In float64 of float32 weights, as secure aggregation adds them up. `hidden`: how `stealthy` hides it, if it does.
    """

    def summed(
        task: str,
        clients: int = 4,
        seed: int = 0,
        public: int = 200,
        order: Any = None,
        hidden: Any = None,
        use: str = "imprint",
        defense: Chain | None = None,
        **options: Any,
    ) -> tuple[Observation, Batch]:
        names = FederationSettings.model_fields
        said = {name: options.pop(name) for name in [*options] if name in names}
        federation = FederationSettings(clients=clients, **said)
        server = manipulations.build(use, options)
        if hidden is not None:
            server = manipulations.build("stealthy", {**hidden, "manipulation": {"use": use, **options}})
        with seeded("planted", seed):
            shipped = server.transform_task(task_called(task))
        known = Crafting(
            task=shipped,
            weights=weights_of(shipped.network),
            round=1,
            client=0,
            cohort=tuple(range(clients)),
            federation=federation,
            public=batch_of(shipped, public, seed=("public", seed)),
        )
        sent, training = server.craft(known, generator("server", seed)), federation.training()
        held = federation.batch_size * federation.batches
        examples = batch_of(shipped, clients * held, seed=("private", seed))
        total = np.zeros(())
        for client in order or range(clients):
            own = examples[torch.arange(client * held, (client + 1) * held)]
            after = client_round(shipped, sent, own, training, defense or Chain(), (seed, client)).weights
            total = total + changes(sent, after) * held
        mean = shaped(sent, total / (clients * held))
        delta = {name: mean[name].to(value.dtype) for name, value in sent.parameters.items()}
        observation = Observation(
            task=shipped,
            before=sent,
            update=Update(delta, UpdateKind.DELTA),
            cohort=known.cohort,
            num_examples=clients * held,
            training=training,
            manipulations=(server,),
            auxiliary=known.public,
            defense=defense or Chain(),
        )
        return observation, examples

    return summed


@dataclass
class Answering(Service):
    """Answers with what a function makes of inputs, until its budget is used up; keeps what it was asked."""

    probabilities: Callable[[Tensor], Tensor]
    left: int
    log: list[Tensor]
    background: Tensor | None = None
    explaining: Callable[[Tensor], Tensor] | None = None
    """What it makes of explanations before it gives them, where it offers any."""
    table: Table | None = None

    @property
    def remaining(self) -> int:
        return self.left

    def ask(self, inputs: Tensor) -> Tensor:
        answers = self.probabilities(inputs)
        answers[self.left :] = torch.nan
        self.left = max(self.left - len(inputs), 0)
        self.log.append(inputs.clone())
        return answers

    def explain(self, inputs: Tensor) -> Tensor:
        found = explained(self.probabilities, inputs, self.background, self.table).float()
        found[self.left // cost_of(self.table) :] = torch.nan
        self.left = max(self.left - cost_of(self.table) * len(inputs), 0)
        return self.explaining(found)


@pytest.fixture(scope="session")
def release() -> Callable[..., Released]:
    """The weights of a task's own network, with whatever else of a `Released` is said."""

    def released(task: Task, **known: Any) -> Released:
        return Released(task=task, weights=weights_of(task.network), **known)

    return released


@pytest.fixture(scope="session")
def serve() -> Callable[..., Served]:
    """A service on a task's own network that answers `queries` inputs, each as `answer` makes of the probabilities.

    Its `log` has what it was asked.
    """

    def served(task: Task, queries: int, answer: Callable[[Tensor], Tensor] = Tensor.clone, **known: Any) -> Served:
        weights = weights_of(task.network)

        def probabilities(inputs: Tensor) -> Tensor:
            return answer(task.logits(weights, task.space.clamped(inputs), mode="eval").softmax(1).detach())

        return Served(task=task, service=Answering(probabilities, queries, []), **known)

    return served


@pytest.fixture(scope="session")
def trained() -> tuple[Task, Callable[..., Batch]]:
    """A perceptron trained to 94 in a hundred on four noisy patterns, and examples of those patterns by seed."""
    patterns = torch.rand(4, 1, 6, 6, generator=generator("patterns"))

    def drawn(examples: int, seed: object = 0, only: int | None = None) -> Batch:
        rng = generator("pattern", seed)
        labels = torch.randint(4, (examples,), generator=rng)
        labels = labels if only is None else torch.full_like(labels, only)
        noise = torch.rand(examples, 1, 6, 6, generator=rng)
        return Batch(0.35 * patterns[labels] + 0.65 * noise, labels)

    with seeded("trained task"):
        network = nn.Sequential(nn.Flatten(), nn.Linear(36, 24), nn.ReLU(), nn.Linear(24, 4))
    task = Task("tiny-trained", network, (1, 6, 6), 4)
    training = LocalTraining(batch_size=50, epochs=10, learning_rate=0.2, momentum=0.9)
    after = train_locally(task, weights_of(network), drawn(200, "train"), training, ("trained",))
    network.load_state_dict(after.state_dict())
    return task, drawn


@pytest.fixture(scope="session")
def overfit() -> tuple[Task, Batch]:
    """A perceptron that knows 40 random images by heart, and as candidates those, which come first, and 60 others."""
    with seeded("overfit task"):
        network = nn.Sequential(nn.Flatten(), nn.Linear(36, 24), nn.ReLU(), nn.Linear(24, 4))
    task, rng = Task("tiny-overfit", network, (1, 6, 6), 4), generator("overfit")
    candidates = Batch(torch.rand(100, 1, 6, 6, generator=rng), torch.randint(4, (100,), generator=rng))
    training = LocalTraining(batch_size=10, epochs=100, batches=4, learning_rate=0.1, momentum=0.9)
    after = train_locally(task, weights_of(network), candidates[torch.arange(40)], training, ("overfit",))
    network.load_state_dict(after.state_dict())
    return task, candidates


@pytest.fixture(scope="session")
def told_apart() -> Callable[[Reconstruction], float]:
    """The share of pairs in which a member of `overfit` scores higher than another, ties for half (AUC)."""

    def share(guess: Reconstruction) -> float:
        assert guess.membership is not None, guess.failure
        own, others = guess.membership[:40, None], guess.membership[None, 40:]
        return float(((own > others).double() + (own == others) / 2).mean())

    return share


@pytest.fixture(scope="session")
def inverted(trained, serve) -> Callable[..., tuple[Served, Reconstruction]]:
    """Asks an attack what class 3 of `trained` and class 0 look like; public data has no example of class 3."""
    task, drawn = trained

    def asked(attack: Attack[Served], queries: int, seed: int = 0, **known: Any) -> tuple[Served, Reconstruction]:
        public = drawn(120, "public")
        without = public[(public.labels != 3).nonzero()[:, 0]]
        view = serve(task, queries, **{"classes": (3, 0), "auxiliary": without, **known})
        return view, attack.run(view, generator(seed))

    return asked


@pytest.fixture(scope="session")
def likeness(trained) -> Callable[[Reconstruction], list[int]]:
    """The class whose mean image each representative correlates with most, once the mean of all is taken off."""
    _, drawn = trained
    means = torch.stack([drawn(200, "mean", only).inputs.mean(0).flatten() for only in range(4)])

    def nearest(guess: Reconstruction) -> list[int]:
        own, known = (images - means.mean(0) for images in (guess.representatives.flatten(1), means))
        return torch.nn.functional.cosine_similarity(own[:, None], known[None], dim=2).argmax(1).tolist()

    return nearest


@pytest.fixture(scope="session")
def typing(release, serve) -> Callable[..., Released | Served]:
    """A model, or a service on it, of a text that a secret was typed into 16 times, and is asked for.

    The same text without it is public.
    """
    space = Text(alphabet=f" abcdefghijklmnopqrstuvwxyz0123456789!{OTHER}", length=12)
    canary, public = Canary(format="my pin is {digits}!", times=16), space.windows(PLAIN)
    training = LocalTraining(batch_size=40, epochs=16, learning_rate=0.3, momentum=0.9)
    with seeded("typing task"):
        task = Task("tiny-gru", CharacterGRU(len(space.alphabet), 24), space.shape, len(space.alphabet), given=space)
    text = with_canary(public, canary, 1)
    training = replace(training, batches=-(-len(text) // 40))
    after = train_locally(task, weights_of(task.network), text, training, ("typing",))
    task.network.load_state_dict(after.state_dict())

    def asked(
        view: type[View] = Released,
        queries: int = 2000,
        masked: tuple[int, ...] = (),
        answer: Callable[[Tensor], Tensor] = Tensor.clone,
        **known: Any,
    ) -> Released | Served:
        format = SecretFormat.of(canary.format, canary.digits).masking(secret_of(canary, 1), masked)
        usual = {"auxiliary": public, "secret": format, "training": replace(training, epochs=1), **known}
        return serve(task, queries, answer, **usual) if view is Served else release(task, **usual)

    return asked


@pytest.fixture(scope="session")
def exposed() -> Callable[..., Rank]:
    """Where a guess has the secret that was typed."""
    secret = secret_of(Canary(format="my pin is {digits}!"), 1)

    def rank(view: View, guess: Reconstruction) -> Rank:
        assert guess.secrets is not None, guess.failure
        assert view.secret is not None
        return rank_of(guess.secrets, view.secret.place(secret))

    return rank


@pytest.fixture(scope="session")
def hiding(serve, release) -> tuple[Callable[..., Any], Batch]:
    """A service on what 60 patients taught a perceptron by heart, asked for their sex and that of 60 others; with
    `view=Released` the perceptron itself.

    And all that there is to know of them, in the order in which they are asked about: members come first.
    """
    splits, task = load("diabetes-mlp"), task_of("diabetes-mlp")
    rows = splits.clients[torch.arange(120)]
    training = LocalTraining(batch_size=10, epochs=200, batches=6, learning_rate=0.1, momentum=0.9)
    after = train_locally(task, weights_of(task.network), rows[torch.arange(60)], training, ("hiding",))
    task.network.load_state_dict(after.state_dict())

    def asked(
        queries: int = 240,
        answer: Callable[[Tensor], Tensor] = Tensor.clone,
        view: type[Released] | type[Served] = Served,
        **known: Any,
    ) -> Released | Served:
        usual = {"auxiliary": splits.auxiliary, "rows": without(rows, ("sex",)), "hidden": ("sex",)}
        if view is Released:
            return release(task, **{**usual, **known})
        explaining = known.pop("explaining", Tensor.clone)
        served = serve(task, queries, answer, **{**usual, **known})
        service, background = served.service, splits.auxiliary.inputs.mean(0)
        service.background, service.explaining, service.table = background, explaining, task.space
        whole = explaining(explained(service.probabilities, rows.inputs, background, task.space).float())
        return replace(served, explanations=whole)

    return asked, rows


@pytest.fixture(scope="session")
def answered(serve) -> Callable[..., Served]:
    """A service on a network of a table, its weights, and what it says of whole rows, to who is asked what they hide.

    `answer` is what is made of that.
    """

    def asked(
        task: Task,
        rows: Batch,
        hidden: tuple[str, ...],
        answer: Callable[[Tensor], Tensor] = Tensor.clone,
        **known: Any,
    ) -> Served:
        weights = weights_of(task.network)
        with torch.no_grad():
            said = task.logits(weights.floats_in(torch.float64), rows.inputs, mode="eval").softmax(1)
        usual = {"rows": without(rows, hidden), "hidden": hidden, "predictions": answer(said), "weights": weights}
        return serve(task, 100, **{**usual, **known})

    return asked
