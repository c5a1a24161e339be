"""Read words over HTTP: POST an image of a word to /read and get {"text": ...}.

    .venv/bin/pip install aiohttp pillow
    .venv/bin/python examples/applications/service.py FLOAT.onnx [--port 8080]
    curl --data-binary @word.png http://127.0.0.1:8080/read

FLOAT.onnx is a PP-OCR recogniser. Nothing here knows of ovquant: service_load.py changes the line that imports Core.
"""

import argparse
import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from aiohttp import web
from openvino import Core
from PIL import Image

HEIGHT, WIDTH = 48, 320


class Reader:
    """A recogniser and the infer requests that threads share; `read` may be called by any number of them.

    A user waits for each answer, hence the hint LATENCY, and hence its one stream. Two requests are the least: one
    decodes its image and its text while the other infers.
    """

    def __init__(self, path: Path) -> None:
        core = Core()
        model = core.read_model(path)
        characters = str(model.get_rt_info(["framework", "character"]).value).rstrip("\n")
        self.characters = ["", *characters.split("\n"), " "]
        compiled = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
        self.count = max(2, compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self.idle: SimpleQueue = SimpleQueue()
        for _ in range(self.count):
            self.idle.put(compiled.create_infer_request())

    def read(self, image: bytes) -> str:
        """Return the text of an encoded image; raises OSError when it is none."""
        pixels = prepare(image)
        request = self.idle.get()
        try:
            best = request.infer([pixels])[0][0].argmax(axis=-1)
        finally:
            self.idle.put(request)
        return "".join(self.characters[place] for place, _ in groupby(best.tolist())).strip()


def prepare(image: bytes) -> np.ndarray:
    """Return an image as the recogniser takes it: 48 pixels high, BGR, -1 to 1, filled up to its width."""
    picture = Image.open(io.BytesIO(image)).convert("RGB")
    width = max(1, min(WIDTH, round(picture.width * HEIGHT / picture.height)))
    pixels = np.asarray(picture.resize((width, HEIGHT), Image.Resampling.BILINEAR), dtype=np.float32)
    filled = np.zeros((1, 3, HEIGHT, WIDTH), dtype=np.float32)
    filled[0, :, :, :width] = (pixels[:, :, ::-1] / 127.5 - 1).transpose(2, 0, 1)
    return filled


READER = web.AppKey("reader", Reader)
THREADS = web.AppKey("threads", ThreadPoolExecutor)


async def read(request: web.Request) -> web.Response:
    """Answer with the text of the image in the body, read in a thread so that other connections go on."""
    reader = request.app[READER]
    image = await request.read()
    try:
        text = await asyncio.get_running_loop().run_in_executor(request.app[THREADS], reader.read, image)
    except OSError:
        return web.json_response({"error": "The body is no image."}, status=400)
    return web.json_response({"text": text})


def application(model: Path) -> web.Application:
    """Return the service of a model."""
    app = web.Application()
    app[READER] = Reader(model)
    app[THREADS] = ThreadPoolExecutor(app[READER].count)
    app.router.add_post("/read", read)
    return app


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="the float recogniser")
    parser.add_argument("--port", type=int, default=8080)
    asked = parser.parse_args()
    web.run_app(application(asked.model), host="127.0.0.1", port=asked.port, access_log=None)


if __name__ == "__main__":
    main()
