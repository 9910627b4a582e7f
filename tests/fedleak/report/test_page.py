"""The page of a real run: one file that needs nothing else, with everything from outside escaped."""

import itertools
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from torch.utils.tensorboard.writer import SummaryWriter  # noqa: F401  its warnings come once, on import

from fedleak.analysis.analysis import Analysis
from fedleak.errors import OutputError
from fedleak.experiment.experiment import parse_experiment
from fedleak.report.page import page_of, render, write_report
from fedleak.run import run
from fedleak.runs.reading import read_run

HOSTILE = '<script>alert("1")</script> & "co"'
TREE = {
    "name": HOSTILE,
    "seed": 3,
    "task": "digits-mlp",
    "metrics": ["psnr", "label-recall"],
    "federation": {"clients": 2, "batch_size": 1},
    "adversary": {"auxiliary": 32},
    "attacks": [{"use": "analytic-linear"}, {"use": "bias-sign"}],
    "defenses": [
        {"name": "none"},
        {"name": "noisy", "chain": [{"use": "gaussian-noise", "std": 1e-1}]},
        {"name": "summed", "chain": [{"use": "secure-aggregation"}]},
    ],
}
SECTIONS = ["Verdict", "Threat model", "Every defense, every attack", "Paired tests", "Privacy against accuracy",
            "What the defenses cost", "Attacks over", "What the update", "What was not tested", "How to run",
            "Citations"]  # fmt: skip

DEFENSES = ["none", "noisy", "summed", "summed (sum)"]


class Reader(HTMLParser):
    """Tags with their attributes, and headings with their text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return read_run(run(parse_experiment(TREE), tmp_path_factory.mktemp("runs") / "run").folder.root)


def page(run):
    return page_of(run, Analysis.of(run))


@pytest.fixture(scope="module")
def text(finished):
    return render(page(finished))


@pytest.mark.slow
def test_the_sections_come_in_their_order(text):
    places = [re.search(rf"<h2[^>]*>{section}", text) for section in SECTIONS]
    assert all(places)
    assert [found.start() for found in places] == sorted(found.start() for found in places)


def test_nothing_is_loaded_from_anywhere(text):
    tags = Reader(text).tags
    assert all(found["src"].startswith("data:image/png") for _, found in tags if "src" in found)
    assert all(found["href"].startswith("data:") for tag, found in tags if tag == "link")
    assert {tag for tag, _ in tags}.isdisjoint({"script", "iframe", "object", "embed", "base", "form"})
    assert "@import" not in text
    assert "url(http" not in text
    links = [found["href"] for tag, found in tags if tag == "a"]
    assert all(link.startswith(("#", "https://")) for link in links)


def test_a_hostile_name_is_text(text):
    assert "<script" not in text
    assert "&lt;script&gt;alert(" in text


def test_every_picture_has_words_and_every_header_a_scope(text):
    tags = Reader(text).tags
    assert all(found.get("alt") for tag, found in tags if tag == "img")
    assert all(found.get("scope") in ("row", "col") for tag, found in tags if tag == "th")
    assert [found.get("lang") for tag, found in tags if tag == "html"] == ["en"]
    assert all(found.get("aria-hidden") or found.get("aria-label") for tag, found in tags if tag == "svg")


def test_headings_never_skip_a_level(text):
    levels = [int(tag[1]) for tag, _ in Reader(text).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_no_two_things_have_the_same_name(text):
    names = [found["id"] for _, found in Reader(text).tags if "id" in found]
    assert len(names) == len(set(names))


def test_links_within_the_page_lead_somewhere(text):
    tags = Reader(text).tags
    names = {found["id"] for _, found in tags if "id" in found}
    assert {found["href"][1:] for tag, found in tags if tag == "a" and found["href"].startswith("#")} <= names


def test_it_shows_what_leaked_and_with_which_pictures(text, finished):
    drawn = page(finished)
    assert drawn.verdict.lead[0].startswith(
        "Without a defense, analytic-linear rebuilt 2 of 2 images (mean psnr 100.0 dB, certified; "
    )
    assert drawn.lead_picture is not None
    assert [frame.title for frame in drawn.lead_picture.frames] == ["truth", "prior", *DEFENSES]
    assert text.count("<img") > 8


def test_where_only_an_exception_leaked_it_is_the_exception_that_is_shown(finished):
    weak = {"value": 12.0, "best": 12.0, "worst": 12.0, "per_sample": (12.0,), "certified": False}
    bare = [
        row for row in finished.rows if (row.defense, row.metric, row.algorithm) == ("none", "psnr", "analytic-linear")
    ]
    one, other = bare
    doubled = [replace(other, **weak), replace(other, client=7, **weak), replace(one, certified=False)]
    rows = [row for row in finished.rows if row not in bare]
    drawn = page(replace(finished, rows=(*doubled, *rows)))
    assert drawn.lead_picture is not None
    assert drawn.lead_picture.caption.startswith("The image that leaked most under “none” (client")
    assert drawn.lead_picture.frames[2].caption == "100.0 dB"


def test_it_is_small(text):
    assert len(text.encode()) < 400_000


def test_the_same_run_gives_the_same_page(text, finished):
    assert render(page(read_run(finished.folder.root))) == text


@pytest.mark.slow
def test_an_unfinished_run_says_so_first(finished):
    killed = replace(finished, manifest=replace(finished.manifest, exit_status=None, cells_planned=99))
    words = render(page(killed))
    assert words.index("This run is not finished") < words.index('<h2 id="verdict">')
    assert "This run is not finished" not in render(page(finished))


def test_it_can_be_made_without_the_files_behind_the_rows(finished, tmp_path):
    root = tmp_path / "bare"
    shutil.copytree(finished.folder.root, root)
    for name in ("reconstructions", "vault", "recordings"):
        shutil.rmtree(root / name)
    drawn = page(read_run(root))
    assert (drawn.lead_picture, drawn.profile, drawn.curves) == (None, None, ())
    assert "are left out" in render(drawn)


def test_failed_messages_are_counted_with_their_reason(finished):
    reason = "the loss became NaN"
    rows = tuple(
        replace(row, value=float("nan"), per_sample=(), reason=reason) if row.attack == "bias-sign" else row
        for row in finished.rows
    )
    drawn = page(replace(finished, rows=rows))
    assert any("lack a figure" in warning for warning in drawn.warnings)
    assert any(reason in gap.words for gap in drawn.untested)


def test_what_was_not_run_is_named(finished):
    words = " ".join(f"{gap.title}: {gap.words}" for gap in page(finished).untested)
    assert all(name in words for name in ("dlg", "clipping", "A single seed (3)", "untested, not safe"))
    assert not re.search(r"(?<![\w-])(prior|no-access)(?![\w-])", words)  # the guesses beside every figure


def test_citations_have_bibtex_and_each_paper_once(finished):
    cited = page(finished).citations
    assert {"analytic-linear", "gaussian-noise", "secure-aggregation", "psnr"} <= {
        n for one in cited for n in one.names
    }
    assert all(one.bibtex.startswith("@") and one.paper.startswith("https://") for one in cited)
    assert len({one.paper for one in cited}) == len(cited)


def test_the_recipe_is_the_run_s_own_file(finished):
    recipe = page(finished).recipe
    assert recipe.experiment == finished.folder.experiment.read_text()
    assert recipe.command == "fedleak run experiment.toml --out NEW_FOLDER"


def test_a_page_that_cannot_be_written_is_one_sentence(finished, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write_report(finished, Analysis.of(finished), tmp_path / "file" / "report.html")
