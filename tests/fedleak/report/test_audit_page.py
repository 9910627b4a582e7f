"""Page of an audit: made from its folder alone, with the pictures while they are there, and nothing unescaped."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from fedleak.audit.verdict import Audited
from fedleak.io.tensors import write_pair
from fedleak.report.audit_page import page_of, write_audit_report


def looked(rung: str, attack: str, psnr: float | None, leaked: int = 0, labels: float | None = 1.0) -> dict[str, Any]:
    return {
        "rung": rung, "attack": attack, "client": 0, "round": 1, "psnr": psnr, "best": psnr, "prior": 9.0,
        "leaked": leaked, "labels": labels, "examples": 4, "reason": "" if psnr else "it needs <images>", "broke": "",
        "seconds": 1.0,
    }  # fmt: skip


def audited(folder: Path) -> Audited:
    fact = {"what": "in clear beside the update", "found": "train_loss 3", "how": "the reply", "used": "no"}
    update = {
        "client": 0, "round": 1, "verdict": "understood", "reasons": [], "started_apart": 0.0, "replay_apart": 0.0,
        "facts": [fact],
    }  # fmt: skip
    tried = [
        looked("as it is", "dlg", 10.0), looked("as it is", "grnn", 14.0), looked("as it is", "llg", None),
        looked("as it is", "spear", None, labels=None), looked("one image", "dlg", 40.0, 4),
    ]  # fmt: skip
    facts = {
        "app": "<b>app", "folder": "", "stopped": "", "updates": [update], "attacks": tried,
        "not_fitting": "Not tried, 2 attacks of the catalogue: 2 guess no examples.", "out_of_scope": [], "no_task": "",
    }  # fmt: skip
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    write_pair(
        folder / "exhibits" / "client-0", {"truth": images, "grnn": images.flip(0)}, {"captions": {"grnn": ["1", "2"]}}
    )
    return Audited(facts, folder)


def test_everything_of_an_audit_is_on_its_page(tmp_path: Path) -> None:
    found = audited(tmp_path)
    page = page_of(found)
    assert page.about.startswith("Audit of 1 update, 1 of them attacked")
    assert page.lead[0] == "As it is: 0 of 4 come back; 14.0 dB by grnn, where guessing without the update gives 9.0."
    assert "vanishes on the way to 'one image'" in page.lead[-1]
    assert [(rung.name, rung.back, rung.share) for rung in page.rungs] == [
        ("as it is", "0 of 4", 0.0),
        ("one image", "4 of 4", 100.0),
    ]
    assert [line[0] for line in page.tried] == ["grnn", "dlg", "llg"]
    assert page.silent == (("spear", "it needs <images>"),)
    assert page.clear == (("client 0, round 1", "train_loss 3"),)
    html = write_audit_report(found, tmp_path / "report.html").read_text()
    assert html.count("data:image/png") == 4
    assert "it needs &lt;images&gt;" in html
    assert "<b>app" not in html
    assert "http" not in html.replace("http-equiv", "")


def test_an_audit_whose_pictures_were_deleted_has_a_page_without_them(tmp_path: Path) -> None:
    found = audited(tmp_path)
    assert page_of(replace(found, folder=tmp_path / "elsewhere")).albums == ()
