"""Split training under defenses: what crosses the wire is defended, and a party trains by what the joint law says."""

from pathlib import Path

import pytest
import torch
from torch.func import functional_call

from fedleak.data.splits import load
from fedleak.defenses.nopeek import distance_correlation
from fedleak.errors import ConfigError
from fedleak.experiment.experiment import parse_experiment
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.learning.facts import LocalTraining
from fedleak.learning.split import ActiveParty, Party
from fedleak.learning.training import batch_order, train_locally
from fedleak.learning.weights import Weights
from fedleak.randomness import generator
from fedleak.recording.diary import read_columns, read_diary, stem_of
from fedleak.settings.base import parse_settings
from fedleak.tasks import hardened, initial_weights

pytestmark = pytest.mark.slow  # federations, each of them
STEP = 0.1


def run(folder: Path, *chain, task="digits-mlp", **federation) -> FederationPlan:
    settings = {"partition": "columns", "clients": 2, "rounds": 2, "batch_size": 8, "batches": 3, "cut": 3}
    tree = {"task": task, "recordings": str(folder / "seen"), "vault": str(folder / "vault"), "utility": {"rounds": 1}}
    tree = {**tree, "chain": list(chain), "federation": {**settings, "learning_rate": STEP, **federation}}
    plan = parse_settings(FederationPlan, tree)
    run_federation(plan)
    return plan


def diary(plan: FederationPlan, who, round: int = 1):
    return read_diary(Path(plan.recordings) / stem_of(who, round))


def held(plan: FederationPlan, party: int) -> Weights:
    """As the first round began."""
    state, network = diary(plan, party).weights, plan.public_task().network
    trained = dict(network.named_parameters())
    return Weights(
        {name: value for name, value in state.items() if name in trained},
        {name: value for name, value in state.items() if name not in trained},
    )


def test_defenses_that_do_nothing_leave_every_message_bit_for_bit(tmp_path):
    nothing = [{"use": "cut-noise", "scale": 0}, {"use": "nopeek", "weight": 0}, {"use": "slope-noise", "ratio": 0}]
    nothing += [{"use": "marvell", "power": 0}]
    plans = [
        run(tmp_path / name, *chain, task="breast-cancer-mlp") for name, chain in {"bare": [], "0": nothing}.items()
    ]
    for who in (0, 1, "relay"):
        for round in (1, 2):
            bare, defended = (diary(plan, who, round) for plan in plans)
            assert [line.to_bytes() for line in bare.lines] == [line.to_bytes() for line in defended.lines]
            assert all(torch.equal(value, defended.weights[name]) for name, value in bare.weights.items())


@pytest.mark.parametrize(("parties", "task", "cut"), [(3, "digits-mlp", 3), (2, "diabetes-mlp", 2)])
def test_nopeek_is_the_sgd_of_the_joint_network_with_its_penalty(tmp_path, parties, task, cut):
    plan = run(tmp_path, {"use": "nopeek", "weight": 0.7}, task=task, clients=parties, cut=cut, momentum=0.9)
    joint = hardened(task, plan.defenses(), plan.federation.split)
    rows = torch.cat([line.question["rows"] for line in diary(plan, 0).lines])
    training = LocalTraining(batch_size=8, batches=3, learning_rate=STEP, momentum=0.9)
    order = torch.cat([one for (one,) in batch_order(24, training, generator(plan.seed, "rows", 1, "order"))])

    def gradient(step):
        parameters = {name: value.detach().requires_grad_() for name, value in step.weights.parameters.items()}
        state, inputs = {**parameters, **step.weights.buffers}, step.examples.inputs
        loss = joint.criterion.mean(functional_call(joint.network, state, (inputs,)), step.examples.labels)
        for party in range(1, parties):
            own, bottom = joint.network.part(inputs, party), joint.network.bottoms[party]
            prefix = f"bottoms.{party}."
            mine = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            loss = loss + 0.7 * distance_correlation(own, functional_call(bottom, mine, (own,)))
        return dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))

    examples = load(plan.source).clients[torch.empty_like(rows).scatter_(0, order, rows)]
    start = initial_weights(task, plan.seed, split=plan.federation.split)
    trained = train_locally(joint, start, examples, training, (plan.seed, "rows", 1), gradient=gradient).state_dict()
    plain = train_locally(joint, start, examples, training, (plan.seed, "rows", 1)).state_dict()
    for party in range(parties):
        for name, value in diary(plan, party, 2).weights.items():
            torch.testing.assert_close(value, trained[name], rtol=0, atol=1e-6)
    assert not torch.allclose(plain["bottoms.1.1.weight"], trained["bottoms.1.1.weight"], rtol=0, atol=1e-4)


def test_noise_at_the_cut_is_what_crosses_the_wire_and_what_the_top_trains_on(tmp_path):
    plan = run(tmp_path, {"use": "cut-noise", "scale": 0.5}, rounds=1, batches=1)
    forward, backward = diary(plan, 1).lines
    [top] = diary(plan, 0).lines
    network, rows = plan.public_task().network, forward.question["rows"]
    own = read_columns(Path(plan.recordings), 1)["inputs"][rows]
    noise = forward.answer["embedding"] - Party(network, 1).embedding(held(plan, 1), own, "train")
    assert float(noise.abs().mean()) == pytest.approx(0.5, rel=0.15)
    assert torch.equal(top.question["embedding.1"], forward.answer["embedding"])
    columns = read_columns(Path(plan.recordings), 0)
    step = ActiveParty(network, 0, plan.public_task().criterion).step(
        held(plan, 0), columns["inputs"][rows], [top.question["embedding.1"]], columns["labels"][rows], "train"
    )
    torch.testing.assert_close(step.slopes[0], top.answer["slope.1"])
    assert torch.equal(backward.question["slope"], top.answer["slope.1"])


@pytest.mark.parametrize("max_norm", [{}, {"max_norm": 0.3}])
def test_a_party_trains_through_what_it_sends_with_the_same_draws(tmp_path, max_norm):
    """As the network that is bounded below the cut, noise being a constant."""
    plan = run(tmp_path, {"use": "cut-noise", "scale": 0.1, **max_norm}, batches=1)
    forward, backward = diary(plan, 1).lines
    network, before = plan.public_task().network, held(plan, 1)
    own = read_columns(Path(plan.recordings), 1)["inputs"][forward.question["rows"]]
    parameters = {name: value.detach().requires_grad_() for name, value in before.parameters.items()}
    bottom = {name.removeprefix("bottoms.1."): value for name, value in parameters.items()}
    plain = functional_call(network.bottoms[1], bottom, (own,))
    bound = max_norm.get("max_norm", 1e6)
    bounded = plain * (bound / plain.norm(dim=1, keepdim=True)).clamp_max(1.0)
    assert not max_norm or (plain.norm(dim=1) > bound).any()
    noise = forward.answer["embedding"] - bounded.detach()
    assert float(noise.abs().mean()) == pytest.approx(0.1, rel=0.15)
    slopes = torch.autograd.grad(bounded, list(parameters.values()), backward.question["slope"])
    for (name, value), slope in zip(before.parameters.items(), slopes, strict=True):
        torch.testing.assert_close(diary(plan, 1, 2).weights[name], value - STEP * slope, rtol=0, atol=1e-6)


@pytest.mark.parametrize("defense", [{"use": "slope-noise", "ratio": 1.0}, {"use": "marvell", "power": 1.0}])
def test_noise_on_slopes_reaches_the_passive_party_alone(tmp_path, defense):
    short = {"task": "breast-cancer-mlp", "batches": 1}
    bare, noisy = run(tmp_path / "bare", **short), run(tmp_path / "noisy", defense, **short)
    [plain], [sent] = (diary(plan, 0).lines for plan in (bare, noisy))
    assert not torch.isclose(plain.answer["slope.1"], sent.answer["slope.1"]).all()
    assert all(
        torch.equal(value, diary(noisy, 0, 2).weights[name]) for name, value in diary(bare, 0, 2).weights.items()
    )
    slopes = diary(noisy, 1).lines[1].question["slope"]
    assert torch.equal(slopes, sent.answer["slope.1"])
    own = read_columns(Path(noisy.recordings), 1)["inputs"][sent.question["rows"]]
    before = held(noisy, 1)
    gradients = Party(noisy.public_task().network, 1).slopes(before, own, slopes, "train")
    for name, value in diary(noisy, 1, 2).weights.items():
        torch.testing.assert_close(value, before.parameters[name] - STEP * gradients[name])


@pytest.mark.parametrize(
    ("chain", "columns", "sentence"),
    [
        ([{"use": "clipping", "max_norm": 1.0}], True, "clipping acts on what clients with rows of their own send"),
        ([{"use": "cut-noise", "scale": 1.0}, {"use": "dropout"}], True, "dropout acts on what clients with rows"),
        ([{"use": "cut-noise", "scale": 1.0}], False, "cut-noise acts where a network is cut among parties"),
        ([{"use": "marvell", "power": 1.0}], False, "marvell acts where a network is cut among parties"),
        ([{"use": "marvell", "power": 1.0}], True, "'digits-mlp' has 10 classes; take slope-noise"),
        ([{"use": "nopeek", "weight": -1}], True, "weight"),
        ([{"use": "cut-noise", "scale": "much"}], True, "scale"),
    ],
)
def test_a_chain_without_a_place_is_refused_in_a_sentence_wherever_it_is_read(tmp_path, chain, columns, sentence):
    federation = {"clients": 2, **({"partition": "columns"} if columns else {})}
    tree = {"name": "refused", "task": "digits-mlp", "federation": federation}
    with pytest.raises(ConfigError, match=rf"^defenses\.0\.chain.*{sentence}"):
        parse_experiment({**tree, "defenses": [{"name": "some", "chain": chain}]})
    with pytest.raises(ConfigError, match=sentence):
        run(tmp_path, *chain, **({} if columns else {"partition": "rows", "cut": None, "batches": 1}))
