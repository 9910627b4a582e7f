"""Files of recordings: a pair for each, found again below a folder."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import torch

from fedleak.contracts import manipulated
from fedleak.contracts.chain import Chain
from fedleak.contracts.tampered import built, tables_of
from fedleak.defenses.secure_aggregation import SecureAggregation
from fedleak.errors import RecordingError
from fedleak.io.tensors import read_pair, write_pair
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.processes.home import at_home
from fedleak.recording.payload import RING, Payload, ring_asked
from fedleak.recording.recording import Recording
from fedleak.recording.task_table import read_task, task_table
from fedleak.settings.base import Table, parse_settings
from fedleak.settings.columns import Split
from fedleak.settings.server import HONEST
from fedleak.tasks import hardened

FORMAT = "fedleak-recording-1"
FORMAT_OF_MODELS = "fedleak-recording-2"
"""Of models, which versions of before knew nothing of."""
FORMAT_OF_JOINT_MODELS = "fedleak-recording-3"
"""Of joint networks of parties that hold columns, which versions of before would take for whole ones."""


def write_recording(folder: Path, recording: Recording) -> Path:
    """Writes the pair of files; returns the path of the JSON file, which is complete only when both are."""
    facts = {
        "format": _format_of(recording),
        "task": task_table(recording.settings, folder / recording.stem),
        "kind": recording.kind,
        "cohort": list(recording.cohort),
        "round": recording.round,
        "num_examples": recording.num_examples,
        "training": asdict(recording.training),
        "unknown": list(recording.training.unknown()),
        "defense": recording.defense,
        "chain": recording.chain.tables,
        "seed": recording.seed,
        "metrics": dict(recording.metrics),
        "public_keys": dict(recording.public_keys),
        "parameters": list(recording.before.parameters),
        "buffers": list(recording.before.buffers),
        **({"does": tables_of(recording.tampering)} if recording.tampering else {}),
        **(_server_facts(recording) if recording.manipulations else {}),
    }
    if recording.split is not None:
        facts["split"] = recording.split.model_dump(mode="json")
    tensors = {f"before/{name}": value for name, value in recording.before.state_dict().items()}
    tensors |= {f"payload/{name}": value for name, value in recording.payload.items()}
    return write_pair(folder / recording.stem, tensors, facts, private=folder)


def read_recording(path: Path) -> Recording:
    """Reads a recording (either of its files); raises `RecordingError` where it is truncated or not one."""
    tensors, facts = read_pair(path)
    if facts.get("format") not in (FORMAT, FORMAT_OF_MODELS, FORMAT_OF_JOINT_MODELS):
        raise RecordingError(f"{path}: expected a recording of format {FORMAT}, got {facts.get('format')!r}")
    try:
        recording = _recording(path, tensors, facts)
        _require_facts(recording)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RecordingError(f"{path} is damaged ({error!r} is missing or wrong); record it again") from error
    if (came := recording.payload.get(RING)) is not None:
        bits, entries = ring_asked(recording.chain, recording.before, lambda: recording.task)
        if (str(came.dtype), tuple(came.shape)) != (f"torch.int{bits}", (entries,)):
            raise RecordingError(
                f"{path}: expected {entries} elements of {bits} bits, as network and defense '{recording.defense}' ask "
                f"for, got {came.dtype} of shape {tuple(came.shape)}; record it again"
            )
    return recording


def find_recordings(folder: Path) -> list[Path]:
    """The recordings below a folder of recordings: by defense, round, client, then aggregate and model; or diaries."""
    names = ("active", "client-*", "relay", "aggregate", "model")
    found = [path for name in names for path in sorted(folder.glob(f"**/round-*/{name}.json"))]
    return sorted(found, key=lambda path: path.parent)


def _format_of(recording: Recording) -> str:
    if recording.split is not None:
        return FORMAT_OF_JOINT_MODELS
    return FORMAT_OF_MODELS if recording.kind == "model" else FORMAT


def _server_facts(recording: Recording) -> dict[str, Any]:
    """What a server did beside averaging; of a curious one nothing is written."""
    victim = {"victim": recording.victim, "victim_examples": recording.victim_examples}
    known: Table = {name: value for name, value in victim.items() if value is not None}
    known |= {"parts": list(recording.parts)} if recording.parts else {}
    return {"server": recording.server, "manipulations": manipulated.tables_of(recording.manipulations), **known}


def _recording(path: Path, tensors: NamedTensors, facts: dict[str, Any]) -> Recording:
    return Recording(
        settings=read_task(facts["task"], path),
        before=Weights(*({n: tensors[f"before/{n}"] for n in facts[kind]} for kind in ("parameters", "buffers"))),
        payload={key.removeprefix("payload/"): value for key, value in tensors.items() if key.startswith("payload/")},
        cohort=tuple(facts["cohort"]),
        training=LocalTraining.of(facts["training"]),
        chain=Chain.build(tuple(_with_keys(table) for table in facts["chain"])),
        tampering=built(facts.get("does", ())),
        server=facts.get("server", HONEST),
        manipulations=manipulated.built(facts.get("manipulations", ())),
        victim=facts.get("victim"),
        victim_examples=facts.get("victim_examples"),
        parts=tuple(facts.get("parts", ())),
        split=parse_settings(Split, facts["split"]) if "split" in facts else None,
        **{n: facts[n] for n in ("kind", "round", "num_examples", "defense", "seed", "metrics", "public_keys")},
    )


def _require_facts(recording: Recording) -> None:
    """Raises `ValueError` where its place would be none of a recording's, or a model has not the weights of its task.

    The sentence says which.
    """
    whole = (recording.round, recording.seed, *recording.cohort)
    if recording.kind not in get_args(Payload) or not recording.cohort or not all(type(one) is int for one in whole):
        raise ValueError("kind, round, seed or cohort")
    if min(recording.round, *recording.cohort) < 0:
        raise ValueError("round or cohort")
    if recording.kind == "model":
        made_of = recording.settings, recording.chain, recording.split, recording.manipulations
        wanted = at_home(recording.settings.home, _shapes, *made_of)
        if {name: value.shape for name, value in recording.before.state_dict().items()} != wanted:
            raise ValueError("the weights, which are not those of its task,")


def _shapes(*made_of: Any) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in hardened(*made_of).network.state_dict().items()}


def _with_keys(table: dict[str, Any]) -> dict[str, Any]:
    """The table of a defense; before secure aggregation said where its secrets came from, they came from the seed."""
    return {"keys": "seeded", **table} if table.get("use") == SecureAggregation.name else table
