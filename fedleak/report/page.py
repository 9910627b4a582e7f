"""Draws the page of a run and writes it as one file."""

from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from fedleak.campaign.reading import FinishedRun
from fedleak.files import write_atomically
from fedleak.report.view import Page, page_of
from fedleak.threads import one_thread


def write_report(run: FinishedRun, path: Path) -> Path:
    """Writes the page whole; raises `OutputError` where it cannot be written."""
    with one_thread():  # many small tensors: other threads would only be waited for
        page = page_of(run)
    return write_atomically(path, render(page).encode())


def render(page: Page) -> str:
    """The page as HTML; everything that comes from outside is escaped."""
    return _environment().get_template("page.html.j2").render(page=page)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from fedleak.report.charts import frontier_chart, line_chart  # matplotlib takes a while, and only a page needs it

    environment = Environment(
        loader=PackageLoader("fedleak.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"line_chart": line_chart, "frontier_chart": frontier_chart}
    return environment
