"""Take the pictures of docs/report.md: a report wide, on a phone and in the dark, by headless Chromium.

    python docs/screenshots.py DIR

DIR is the folder of a result. Needs chromium on the PATH, and Pillow.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
KINDS = {
    "wide": (1280, 1250, ()),
    "phone": (500, 1250, ()),
    "dark": (1280, 1250, ("--blink-settings=preferredColorScheme=0",)),
}
"""Width and height of the window in pixels, and what else Chromium is told."""


def main(folder: Path) -> None:
    """Write docs/report-KIND.png for each kind."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("There is no chromium here: apt-get install chromium.")
    page = (folder / "report.html").resolve()
    with tempfile.TemporaryDirectory() as work:
        for kind, (width, height, more) in KINDS.items():
            taken = Path(work) / f"{kind}.png"
            options = [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--window-size={width},{height}",
            ]
            subprocess.run(
                [browser, *options, *more, f"--screenshot={taken}", page.as_uri()], check=True, capture_output=True
            )
            small = Image.open(taken).convert("RGB").quantize(64, dither=Image.Dither.NONE)
            small.save(HERE / f"report-{kind}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
