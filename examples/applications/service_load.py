"""Load service.py as it is, then with ovquant's Core in place of openvino's, and compare how fast and how right it answers.

    .venv/bin/pip install -e ".[demo]" aiohttp
    sudo apt-get install wrk
    .venv/bin/python examples/applications/service_load.py OUT [--model FLOAT.onnx] [--rounds 5] [--seconds 10]

OUT is the folder that `make demo` made, and FLOAT.onnx the recogniser that it was made from. The second service is the same
source but for the line that imports Core; it finds OUT by the environment variable OVQUANT_STORE. In each round both start,
answer the same words, bear wrk at each concurrency, and stop, one after the other. wrk runs on the same processor.
"""

import argparse
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from ovquant.demo.fetch import recogniser
from ovquant.demo.words import Words

SERVICE = Path(__file__).with_name("service.py")
BEFORE, AFTER = "from openvino import Core", "from ovquant import Core"
CONCURRENCIES = (1, 2)
FIGURES = {"requests/s": ".1f", "p50 ms": ".2f", "p95 ms": ".2f", "p99 ms": ".2f"}
SCRIPT = """
local images, sent = {}, 0
function init(arguments)
  while true do
    local file = io.open(arguments[1] .. "/" .. #images .. ".png", "rb")
    if not file then return end
    images[#images + 1] = wrk.format("POST", nil, {["Content-Type"] = "image/png"}, file:read("*a"))
    file:close()
  end
end
function request()
  sent = sent + 1
  return images[sent % #images + 1]
end
function done(summary, latency)
  local e = summary.errors
  print(string.format(
    '{"requests": %d, "microseconds": %d, "errors": %d, "percentiles": [%d, %d, %d]}',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
"""
"""What wrk sends, each of its threads the same images in the same order, and what it prints."""
Loads = dict[tuple[str, int], list[list[float]]]


def pictures(count: int) -> list[tuple[bytes, str]]:
    """Return rendered words as PNG files, with their text."""
    drawn = []
    for pixels, word in (Words(count, seed=41)[place][:2] for place in range(count)):
        width = int(np.flatnonzero(pixels.any(axis=(0, 1)))[-1]) + 1
        colours = np.rint((pixels[::-1, :, :width].transpose(1, 2, 0) + 1) * 127.5).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(colours).save(file, "PNG")
        drawn.append((file.getvalue(), word))
    return drawn


def sources(folder: Path) -> dict[str, Path]:
    """Write the service under two names, as it is and with the other import line, and return them."""
    source = SERVICE.read_text(encoding="utf-8")
    if source.splitlines().count(BEFORE) != 1:
        raise SystemExit(f"{SERVICE.name} should have one line '{BEFORE}'.")
    files = {"float": folder / "float.py", "quantized": folder / "quantized.py"}
    files["float"].write_text(source, encoding="utf-8")
    files["quantized"].write_text(source.replace(BEFORE, AFTER), encoding="utf-8")
    return files


@contextmanager
def serving(source: Path, model: Path, store: Path) -> Iterator[str]:
    """Start a service and give its address; stop it whatever happens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = source.with_suffix(".log")
    environment = {**os.environ, "OVQUANT_STORE": str(store)}
    with log.open("w") as written:
        command = [sys.executable, str(source), str(model), "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=written, stderr=written)
        try:
            wait_for(port, process, log)
            yield f"http://127.0.0.1:{port}/read"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(port: int, process: subprocess.Popen, log: Path) -> None:
    """Wait until a service listens; one that ends, or that warns that it has no quantized model, ends the program."""
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                if "NotServedWarning" in log.read_text():
                    raise SystemExit(f"It serves the float model:\n{log.read_text()}")
                return
        time.sleep(0.1)
    raise SystemExit(f"The service did not start:\n{log.read_text()}")


def answers(address: str, images: Sequence[bytes]) -> list[str]:
    """Return what the service reads in each image; anything but status 200 and a text ends the program."""
    texts = []
    for image in images:
        try:
            with urllib.request.urlopen(urllib.request.Request(address, image), timeout=30) as answer:
                texts.append(json.load(answer)["text"])
        except (urllib.error.URLError, ValueError, KeyError) as error:
            raise SystemExit(f"The service answered wrongly: {error!r}") from error
    return texts


def load(address: str, folder: Path, concurrency: int, seconds: int) -> list[float]:
    """Load a service with wrk and return the figures of FIGURES; an answer that is an error ends the program."""
    script = folder / "load.lua"
    script.write_text(SCRIPT, encoding="utf-8")
    each = str(concurrency)
    command = ["wrk", "-t", each, "-c", each, "-d", f"{seconds}s", "-s", str(script), address, "--", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines or not lines[-1].startswith("{"):
        raise SystemExit(f"wrk failed: {done.stdout}{done.stderr}")
    found = json.loads(lines[-1])
    if found["errors"] or not found["requests"]:
        raise SystemExit(f"Under load {found['errors']} of {found['requests']} answers were errors.")
    return [1e6 * found["requests"] / found["microseconds"], *(value / 1e3 for value in found["percentiles"])]


def rounds(asked: argparse.Namespace, words: Sequence[tuple[bytes, str]]) -> tuple[Loads, dict[str, list[str]]]:
    """Load the two services in turn and return the figures of each round, and what each read."""
    loads: Loads = {}
    read: dict[str, list[str]] = {}
    images = [image for image, _ in words]
    with tempfile.TemporaryDirectory() as name:
        for place, image in enumerate(images):
            (Path(name) / f"{place}.png").write_bytes(image)
        files = sources(Path(name))
        for number in range(asked.rounds):
            for kind, source in files.items():
                with serving(source, asked.model, asked.result) as address:
                    texts = answers(address, images)
                    if read.setdefault(kind, texts) != texts:
                        raise SystemExit(f"The {kind} service read other texts in round {number + 1}.")
                    for concurrency in CONCURRENCIES:
                        figures = load(address, Path(name), concurrency, asked.seconds)
                        loads.setdefault((kind, concurrency), []).append(figures)
                        shown = "  ".join(f"{value:.2f} {unit}" for value, unit in zip(figures, FIGURES, strict=True))
                        print(f"round {number + 1}  {kind:9}  concurrency {concurrency}  {shown}", flush=True)
    return loads, read


def table(loads: Loads) -> None:
    """Print the medians over the rounds, their ratio, and the lowest and the highest ratio of a round."""
    print(f"\n{'concurrency':11}  {'':10}{'float':>9}{'quantized':>11}  times better (of the rounds)")
    for concurrency in CONCURRENCIES:
        before, after = (np.array(loads[kind, concurrency]) for kind in ("float", "quantized"))
        for place, (name, form) in enumerate(FIGURES.items()):
            first, second = before[:, place], after[:, place]
            if name != "requests/s":
                better, each = np.median(first) / np.median(second), first / second
            else:
                better, each = np.median(second) / np.median(first), second / first
            medians = f"{np.median(first):9{form}}{np.median(second):11{form}}"
            print(f"{concurrency:11}  {name:10}{medians}  {better:.2f} ({each.min():.2f} to {each.max():.2f})")


def main() -> None:
    """Compare the two services and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, help="the folder that ovquant wrote")
    parser.add_argument("--model", type=Path, help="the float recogniser; that of the demonstration by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10, help="how long each load lasts")
    parser.add_argument("--words", type=int, default=500)
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("This needs the program wrk: sudo apt-get install wrk")
    # `timeout` and CI end a program this way, and the service should end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    asked.model = asked.model or recogniser()
    words = pictures(asked.words)
    print(f"float: {SERVICE.name}; quantized: the same with '{AFTER}' in place of '{BEFORE}'")
    loads, read = rounds(asked, words)
    table(loads)
    truth = [word for _, word in words]
    same = sum(one == other for one, other in zip(read["float"], read["quantized"], strict=True))
    print(f"\nthe same text from both services: {same} of {len(words)} words")
    for kind, texts in read.items():
        print(f"right, {kind}: {sum(text == word for text, word in zip(texts, truth, strict=True))} of {len(words)}")


if __name__ == "__main__":
    main()
