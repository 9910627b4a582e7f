"""The report of a real run in a real browser: nothing loaded, nothing overflowing, both schemes, every picture."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright
from torch.utils.tensorboard.writer import SummaryWriter  # noqa: F401  its warnings come once, on import

from fedleak.analysis.analysis import Analysis
from fedleak.experiment.experiment import parse_experiment
from fedleak.report.page import write_report
from fedleak.run import run
from fedleak.runs.reading import read_run

CHROMIUM = Path("/usr/bin/chromium")
TREE = {
    "name": "three defenses, two attacks",
    "seed": 3,
    "task": "digits-mlp",
    "metrics": ["psnr", "ssim", "label-recall"],
    "federation": {"clients": 3, "batch_size": 1, "fraction_evaluate": 1.0},
    "adversary": {"auxiliary": 32},
    "attacks": [{"use": "analytic-linear"}, {"use": "dlg", "steps": 10, "restarts": 1}],
    "defenses": [
        {"name": "none"},
        {"name": "noisy", "chain": [{"use": "gaussian-noise", "std": 1e-2}]},
        {"name": "secure aggregation", "chain": [{"use": "secure-aggregation"}]},
    ],
}
SCHEMES = [("light", 1280), ("dark", 1280), ("light", 390), ("light", 360), ("dark", 360)]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed; `make browser` installs it"),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    finished = read_run(run(parse_experiment(TREE), tmp_path_factory.mktemp("runs") / "run").folder.root)
    return write_report(finished, Analysis.of(finished), tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"], timeout=120_000
        )
        yield chromium
        chromium.close()


def pictured(page: Page, path: Path) -> bytes:
    """The whole page; where the browser has no picture ready, as on a machine that is busy, once more."""
    try:
        return page.screenshot(path=path, full_page=True)
    except Error:
        return page.screenshot(path=path, full_page=True)


def opened(browser: Browser, report: Path, scheme: str, width: int) -> tuple[Page, list[str], list[str]]:
    """The page, what the console said, and what was asked for beside the page itself."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    return page, said, [url for url in asked if not url.startswith("data:") and url != report.as_uri()]


@pytest.mark.parametrize(("scheme", "width"), SCHEMES)
def test_it_opens_without_a_sound_and_fits_its_window(browser, report, tmp_path, scheme, width):
    page, said, asked = opened(browser, report, scheme, width)
    assert said == []
    assert asked == []
    inner, outer = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert inner <= outer
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    inner, outer = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert inner <= outer
    assert pictured(page, tmp_path / f"{scheme}-{width}.png")
    page.close()


def test_light_and_dark_are_each_other_s_opposite(browser, report):
    def brightness(scheme: str, what: str) -> float:
        page, _, _ = opened(browser, report, scheme, 1280)
        color = page.evaluate(f"getComputedStyle(document.body).{what}")
        page.close()
        return sum(int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(","))

    assert brightness("light", "backgroundColor") > 600 > 200 > brightness("dark", "backgroundColor")
    assert brightness("light", "color") < 200 < 600 < brightness("dark", "color")


def test_the_pictures_behind_a_cell_are_a_click_away(browser, report):
    page, _, _ = opened(browser, report, "light", 1280)
    picture = page.locator(".trio img").first
    assert not picture.is_visible()
    page.locator(".matrix summary").first.click()
    assert picture.is_visible()
    widths = page.evaluate("[...document.images].map(one => one.naturalWidth)")
    assert len(widths) > 20
    assert min(widths) > 0
    page.close()


def test_every_section_has_something_to_show(browser, report):
    page, _, _ = opened(browser, report, "light", 1280)
    assert page.locator("h2").count() == 12
    assert all(
        box is not None and box["height"] > 60
        for box in (s.bounding_box() for s in page.locator("main > section").all())
    )
    assert page.locator(".chart svg").count() == 4  # accuracy; loss and quality of the one attack that iterates
    page.close()


def test_words_stand_out_from_their_ground(browser, report):
    """At least 4.5 to 1, as WCAG 2.1 asks of text, for every leaf of text in both schemes."""
    for scheme in ("light", "dark"):
        page, _, _ = opened(browser, report, scheme, 1280)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.evaluate(CONTRAST) == []
        page.close()


CONTRAST = """() => {
  const parts = color => (color.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = rgb => rgb.slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = node => {
    for (; node; node = node.parentElement) {
      const own = parts(getComputedStyle(node).backgroundColor);
      if (own.length < 4 || own[3] > 0) return own;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll('main *')) {
    const words = [...node.childNodes].filter(one => one.nodeType === 3).map(one => one.data.trim()).join('');
    const box = node.getBoundingClientRect();
    if (!words || !box.width || node.tagName === 'title') continue;
    const style = getComputedStyle(node);
    const ink = parts(node instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(ink), light(ground(node))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) poor.push(`${words.slice(0, 30)}: ${((a + .05) / (b + .05)).toFixed(2)}`);
  }
  return poor;
}"""
