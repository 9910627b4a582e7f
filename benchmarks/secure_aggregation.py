"""What secure aggregation costs, beside the cipher alone, Flower's SecAgg+ and CKKS.

    python benchmarks/secure_aggregation.py [--clients N] [--entries N] [--neighbours N] [--bits 32] [--lost N]
    python benchmarks/secure_aggregation.py --goals
    python benchmarks/secure_aggregation.py --table

Seconds of processor time on one thread, the least of some repeats; what is compared is measured in one run. A round is
played with all clients and at most 10,000 entries, then one client and the server do their part once more, alone, with
as many entries as asked for, which no other message depends on. Between stages the client is rebuilt from its state in
bytes, as in a deployment. Lost clients leave after they shared, which costs the server most.
"""

import argparse
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import median

from secure_aggregation_rounds import MODEL, Costs, Played, Work, ask, ckks, flower, play, say

from fedleak.secure_aggregation.client import Client
from fedleak.secure_aggregation.masks import CIPHERS, PIECE, ZEROS
from fedleak.secure_aggregation.messages import STAGES
from fedleak.secure_aggregation.server import Server
from fedleak.secure_aggregation.state import State

REPEATS, SHORT = 5, 10_000


def run_client(played: Played, rebuilt: bool = True) -> Iterator[tuple[str, float]]:
    """The client's seconds in each stage; `rebuilt` from its bytes before each."""
    client = played.client
    for stage in STAGES:
        started = time.process_time()
        if rebuilt:
            client = Client(client.member, State.from_bytes(client.state.to_bytes()))
        client, _ = ask(client, stage, played.questions[stage], played.work.vector)
        yield stage, time.process_time() - started


def run_server(played: Played) -> Iterator[tuple[str, float]]:
    """The server's seconds in each stage."""
    work = played.work
    server = Server(work.session, range(work.clients), work.entries, MODEL, played.registry)
    for stage in STAGES:
        started = time.process_time()
        for client, answer in played.answers[stage].items():
            server.receive(client, answer)
        server.close()
        yield stage, time.process_time() - started


def least(runs: list[dict[str, float]]) -> Mapping[str, float]:
    """The run that took the least as a whole."""
    return min(runs, key=lambda run: sum(run.values()))


def peak(run: Callable[[], object]) -> int:
    """Bytes that Python and NumPy hold at most while it runs, beside what was there."""
    tracemalloc.start()
    run()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


@dataclass(frozen=True)
class Measured:
    """A round's figures."""

    played: Played
    client: Mapping[str, float]
    kept: Mapping[str, float]
    """Of a client that is not rebuilt between stages."""
    server: Mapping[str, float]
    alone: Mapping[str, float]
    """Of each cipher, for one client's masks."""
    spread: float
    """By how much the median of a client's whole is above the least."""
    client_peak: int
    server_peak: int

    @property
    def masks(self) -> float:
        """How many times the faster cipher alone a client's masks take."""
        return self.client["masked"] / min(self.alone.values())

    @property
    def times(self) -> float:
        """The same of all a client does."""
        return self.whole / min(self.alone.values())

    @property
    def whole(self) -> float:
        return sum(self.client.values())

    @property
    def whole_server(self) -> float:
        return sum(self.server.values())


def measure(played: Played, repeats: int = REPEATS) -> Measured:
    """A round's client, server and ciphers, in turn."""
    work, clients, kept, alone = played.work, [], [], {cipher: list[float]() for cipher in CIPHERS}
    for number in range(repeats):
        say(f"{work}: client, repeat {number + 1} of {repeats}")
        clients.append(dict(run_client(played)))
        kept.append(dict(run_client(played, rebuilt=False)))
        for cipher, found in alone.items():
            found.append(keystream(cipher, work.streams, work.size))
    say(f"{work}: server, and memory")
    servers = [dict(run_server(played)) for _ in range(repeats // 2)]
    wholes = [sum(run.values()) for run in clients]
    return Measured(
        played,
        least(clients),
        least(kept),
        least(servers),
        {cipher: min(found) for cipher, found in alone.items()},
        median(wholes) / min(wholes) - 1,
        peak(lambda: list(run_client(played))),
        peak(lambda: list(run_server(played))),
    )


def keystream(cipher: str, streams: int, size: int) -> float:
    """Seconds for `streams` key streams of `size` bytes and nothing else."""
    buffer = memoryview(bytearray(PIECE))
    started = time.process_time()
    for number in range(streams):
        encryptor = CIPHERS[cipher](number.to_bytes(32, "big"))
        for start in range(0, size, PIECE):
            encryptor.update_into(ZEROS[: size - start], buffer[: size - start])
    return time.process_time() - started


def figures(work: Work) -> Iterator[str]:
    """The quick table of one round."""
    found = measure(play(replace(work, entries=min(work.entries, SHORT))).of(work.entries))
    played, own = found.played, work.clients - 1
    yield f"{work}\n\n| stage | client, ms | server, s | client receives | client sends |\n|---|---|---|---|---|"
    for stage in STAGES:
        sent = work.size if stage == "masked" else len(played.answers[stage][own])
        yield (
            f"| {stage} | {1e3 * found.client[stage]:.2f} | {found.server[stage]:.3f} "
            f"| {amount(len(played.questions[stage]))} | {amount(sent)} |"
        )
    yield f"| all | {1e3 * found.whole:.2f} | {found.whole_server:.3f} | | |\n"
    yield f"Not rebuilt between stages, the client takes {shown(sum(found.kept.values()))}; noise {found.spread:.0%}."
    alone = ", ".join(f"{cipher} {shown(seconds)}" for cipher, seconds in found.alone.items())
    yield f"Key streams alone: {alone}; masks {found.masks:.2f} times the faster, the client's whole {found.times:.2f}."
    yield f"Memory: client {amount(found.client_peak)}, server {amount(found.server_peak)}, beside one vector."
    if (costs := flower(work)) is not None:
        times = f"{costs.client / found.whole:.1f} and {costs.server / found.whole_server:.0f} times ours"
        yield f"Flower's SecAgg+: client {shown(costs.client)}, server {shown(costs.server)}, {times}."
    yield f"CKKS, one client's vector: {ckks(work.entries) or 'TenSEAL is not installed'}."


def amount(size: int) -> str:
    """Bytes for a person."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def goals() -> Iterator[str]:
    """Each goal, what was measured, and whether it is met; then with clients that check everybody's signature."""
    played = play(Work(clients=100, entries=1_000_000, lost=10, registry=True))
    wide, wide_signed = both(played)
    costs = flower(played.work) or Costs(0, 0)
    narrow, narrow_signed = both(play(replace(played.work, bits=32)))
    many, many_signed = both(play(Work(clients=1000, entries=10_000, neighbours=100, lost=100)))
    theirs, floor = costs.client, min(wide.alone.values())
    rows: tuple[tuple[str, float, float | None, float], ...] = (
        ("masks over the faster cipher alone", wide.masks, None, 1.4),
        ("a client's protocol over the faster cipher alone", wide.times, wide_signed / floor, 1.8),
        ("Flower's client over ours", theirs / wide.whole, theirs / wide_signed, -10),
        ("Flower's client over ours of 32 bits", theirs / narrow.whole, theirs / narrow_signed, -18),
        ("Flower's server over ours", costs.server / wide.whole_server, None, -50),
        ("the server's last step, s", wide.server["unmask"], None, 1.5),
        ("the round of 100 clients, s", played.seconds, None, 30),
        ("1,000 clients: a client's protocol, ms", 1e3 * many.whole, 1e3 * many_signed, 50),
        ("1,000 clients: the server, s", many.whole_server, None, 5),
    )
    yield "| goal | bound | measured | checking all signatures |\n|---|---|---|---|"
    for what, value, signed, bound in rows:
        side = "at most" if bound > 0 else "at least"
        yield f"| {what} | {side} {abs(bound)} | {judged(value, bound)} | {judged(signed, bound)} |"
    yield f"\nNoise: medians are {wide.spread:.0%}, {narrow.spread:.0%} and {many.spread:.0%} above the least."


def both(played: Played) -> tuple[Measured, float]:
    """The figures of a round, and a client's whole where it checks everybody's signature."""
    signed = least([dict(run_client(played.checking(all_signatures=True))) for _ in range(REPEATS)])
    return measure(played.checking(all_signatures=False)), sum(signed.values())


def judged(value: float | None, bound: float) -> str:
    """A value, and whether it meets its bound: a lower one is given as negative."""
    met = value is None or (value <= bound if bound > 0 else value >= -bound)
    return "" if value is None else f"{value:.2f}, {'pass' if met else 'FAIL'}"


def table() -> Iterator[str]:
    """Rounds from 4 to 1,000 clients and 1e4 to 1e7 entries in Markdown."""
    yield (
        "| clients | neighbours | entries | lost | client: keys, shares, signatures | client: masks | times the cipher "
        "| sent | received | memory | server | memory | Flower's client | Flower's server |\n" + "|---" * 14 + "|"
    )
    for clients, neighbours in ((4, None), (10, None), (30, None), (100, None), (1000, 100)):
        played = play(Work(clients=clients, entries=SHORT, neighbours=neighbours, lost=clients // 10))
        yield from (row(played.of(entries)) for entries in (SHORT, 10**5, 10**6, 10**7))


def row(played: Played) -> str:
    """A row of the table."""
    found, work = measure(played, repeats=3), played.work
    costs, own, masks = flower(work), work.clients - 1, found.client["masked"]
    sent = work.size + sum(len(answer[own]) for stage, answer in found.played.answers.items() if stage != "masked")
    received = sum(map(len, found.played.questions.values()))
    others = "| too large | too large" if costs is None else f"| {shown(costs.client)} | {shown(costs.server)}"
    return (
        f"| {work.clients:,} | {work.neighbours or 'all'} | {work.entries:.0e} | {work.lost} "
        f"| {shown(found.whole - masks)} | {shown(masks)} | {found.times:.2f} | {amount(sent)} | {amount(received)} "
        f"| {amount(found.client_peak)} | {shown(found.whole_server)} | {amount(found.server_peak)} {others} |"
    )


def shown(seconds: float) -> str:
    """Seconds for a person."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=30)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--neighbours", type=int, help="an even number; without it all")
    parser.add_argument("--bits", type=int, choices=(64, 32), default=64)
    parser.add_argument("--lost", type=int, default=3, help="clients that leave after they shared")
    parser.add_argument("--registry", action="store_true", help="clients check everybody's signature")
    parser.add_argument("--goals", action="store_true", help="each goal, measured: ten minutes")
    parser.add_argument("--table", action="store_true", help="the table of docs/secure-aggregation.md: half an hour")
    asked = vars(parser.parse_args())
    all_goals, all_rows = asked.pop("goals"), asked.pop("table")
    for line in goals() if all_goals else table() if all_rows else figures(Work(**asked)):
        print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
