"""The report as a browser shows it: on a wide screen, on a phone, in the dark, by keyboard and printed."""

import html
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ovquant.api.result import Result
from ovquant.domain.lost import LostSample
from ovquant.domain.operation import Operation, Quantizer
from ovquant.plugins.reports.html import Html
from tests.plugins.reports.conftest import RESULTS

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on the PATH, which .ci/run installs")
GRID = Quantizer("activations", 0, "fq", "u8", 1, 0.02, 0.02, 3.0, 3.0)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
LOOK = """
const page = document.querySelector("iframe");
page.onload = () => {
  const inside = page.contentDocument, shown = page.contentWindow;
  const link = inside.querySelector("svg a");
  if (link) { link.focus(); }
  const found = {
    scrolls: inside.documentElement.scrollWidth,
    tiles: [...inside.querySelectorAll(".tiles li")].map(tile => tile.getBoundingClientRect().height),
    focused: link !== null && inside.activeElement === link,
    ink: shown.getComputedStyle(inside.body).color,
    paper: shown.getComputedStyle(inside.body).backgroundColor,
    pictures: [...inside.images].filter(picture => picture.complete && picture.naturalWidth > 0).length,
    rows: inside.querySelectorAll("details tr").length,
  };
  document.querySelector("pre").textContent = JSON.stringify(found);
};
"""


def large() -> Result:
    """Return a result of 500 operations and 50 lost samples, all of whose names are long."""
    name = "model.decoder.layers.{}.self_attn.q_proj/aten::linear/MatMul"
    operations = tuple(
        Operation(name.format(place), "MatMul", "int8", "u8", "FullyConnected brgemm_i8", (GRID,), 10.0, 40.0, 0.1)
        for place in range(500)
    )
    lost = tuple(LostSample(place, "3", "3", "5", 1.0, 0.0, f"data:image/png;base64,{PIXEL}") for place in range(50))
    return replace(RESULTS["met"](), operations=operations, lost=lost)


def look(folder: Path, result: Result, width: int, *more: str) -> dict[str, Any]:
    """Return what a browser makes of a report in a frame of a width, in pixels."""
    source = html.escape(Html().render(result))
    frame = f'<iframe srcdoc="{source}" style="border: 0; width: {width}px; height: 900px"></iframe>'
    page = folder / "page.html"
    page.write_text(f"<!DOCTYPE html><pre></pre>{frame}<script>{LOOK}</script>", encoding="utf-8")
    assert BROWSER is not None
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1600,1000",
        "--virtual-time-budget=5000",
    ]
    shown = subprocess.run(
        [BROWSER, *options, *more, "--dump-dom", page.as_uri()], check=True, capture_output=True, text=True, timeout=120
    ).stdout
    found = shown.partition("<pre>")[2].partition("</pre>")[0]
    return dict(json.loads(html.unescape(found)))


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("make", [large, RESULTS["hostile"], RESULTS["float"]], ids=["large", "hostile", "float"])
def test_it_fits_a_screen_and_a_phone(tmp_path: Path, make: Callable[[], Result], width: int) -> None:
    found = look(tmp_path, make(), width)
    # What is wide scrolls by itself, and the page does not.
    assert found["scrolls"] <= width
    assert found["tiles"]
    assert all(height > 20 for height in found["tiles"])
    assert found["focused"]


def test_it_is_dark_where_the_reader_wants_that(tmp_path: Path) -> None:
    light = look(tmp_path, RESULTS["met"](), 800)
    dark = look(tmp_path, RESULTS["met"](), 800, "--blink-settings=preferredColorScheme=0")
    assert (light["paper"], dark["paper"]) == ("rgb(255, 255, 255)", "rgb(13, 17, 23)")
    assert light["ink"] != dark["ink"]


def test_all_operations_and_pictures_are_there(tmp_path: Path) -> None:
    found = look(tmp_path, large(), 1280)
    assert found["rows"] == 501
    assert found["pictures"] == 50


def test_it_is_printed(tmp_path: Path) -> None:
    page, printed = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text(Html().render(large()), encoding="utf-8")
    assert BROWSER is not None
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--print-to-pdf={printed}"]
    subprocess.run([BROWSER, *options, page.as_uri()], check=True, capture_output=True, timeout=120)
    assert printed.read_bytes().startswith(b"%PDF")
    assert printed.stat().st_size > 20_000
