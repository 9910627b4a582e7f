"""The summary is whole tables, in which names stand as they are."""

from dataclasses import replace
from pathlib import Path

from fedleak.gate.markdown import write_markdown


def test_markdown_keeps_its_tables_whole(verdict, tmp_path):
    text = write_markdown(verdict, tmp_path / "summary.md").read_text()
    assert text.startswith("## ❌ failed: fedleak check `runs/one`")
    assert "3 of 9 cells have not run" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    widths = [line.replace("\\|", "").count("|") for line in tables]
    assert set(widths) == {5, 9, 12}
    assert "| 40 dB | none to none | 18 | 10 | 9 |  | 1 | 1 | `runs/one/evidence/x.png` |" in text
    assert "1 group compared, 1 leak more (beyond noise: p < 0.05), 0 could not be tested, 0 unchanged." in text
    assert "| leaks more, beyond noise |" in text
    assert "1 x it raised" in text


def test_markdown_shows_names_as_they_are(make_verdict, make_row, tmp_path):
    verdict = make_verdict(["psnr < 1"], [make_row(9.0, defense="a `b` <i>*c*")])
    verdict = replace(verdict, run=Path("runs/`x` y"))
    page = write_markdown(verdict, tmp_path / "summary.md").read_text()
    assert page.startswith("## ❌ failed: fedleak check ``runs/`x` y``\n")
    assert r"'a \`b\` \<i\>\*c\*'" in page


def test_a_file_is_replaced_but_the_summary_of_a_job_is_appended_to(verdict, tmp_path, monkeypatch):
    path = tmp_path / "summary.md"
    path.write_text("what another command wrote\n")
    write_markdown(verdict, path)
    assert "another command" not in path.read_text()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    path.write_text("what another command wrote\n")
    write_markdown(verdict, path)
    assert path.read_text().startswith("what another command wrote\n## ❌ failed")
