"""An endpoint on loopback that knows the questions' answers and can be told to fail, lie and answer nonsense.

http://127.0.0.1:PORT/MODE/WHO is a Hugging Face one; .../MODE/WHO/v2/models/net speaks the Open Inference Protocol.
"""

import io
import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

Answers = dict[str, dict[bytes, np.ndarray]]
"""Who -> image bytes -> probabilities."""
PAGE = b"<!doctype html><html><body>Please log in</body></html>"


class Endpoint:
    """Use as a context manager; `counts` is how many questions came to each path."""

    def __init__(self, answers: Answers) -> None:
        self.answers, self.counts, self._lock = answers, dict[str, int](), threading.Lock()
        handler = type("Bound", (Handler,), {"endpoint": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    def count(self, path: str) -> int:
        with self._lock:
            self.counts[path] = self.counts.get(path, 0) + 1
            return self.counts[path]

    def __enter__(self) -> "Endpoint":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass(frozen=True)
class Elsewhere:
    """An endpoint in another process, by its port."""

    port: int

    def url(self, mode: str, who: str = "twin", *, oip: bool = False) -> str:
        return f"http://127.0.0.1:{self.port}/{mode}/{who}" + ("/v2/models/net" if oip else "")


class Handler(BaseHTTPRequestHandler):
    endpoint: Endpoint

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        mode = self._parts()[0]
        classes = 9 if mode == "classes" else 4
        shape = [-1, 3, 20, 20] if mode == "size" else [-1, 3, 16, 16]
        if mode == "html":
            return self._send(200, PAGE, "text/html")
        return self._json({"name": "net", "inputs": [{"name": "x", "datatype": "FP32", "shape": shape}],
                           "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, classes]}]})  # fmt: skip

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        mode, who = self._parts()[:2]
        name, _, number = mode.partition(":")
        count = self.endpoint.count(f"{mode}/{who}")
        if self._fails(name, int(number or 0), count):
            return None
        said = [self._answer(who, image) for image in self._images(body)]
        return self._oip(name, said) if "v2" in self.path else self._hf(name, said[0], count)

    def _fails(self, name: str, number: int, count: int) -> bool:
        if name == "html":
            self._send(200, PAGE, "text/html")
        elif name == "fails" or (name == "breaks" and count > number and count <= number + 40):
            self._json({"error": "CUDA out of memory"}, 500)
        elif name == "slow":
            time.sleep(3)
            return False
        elif name == "refuses":
            self._json({"error": "unsupported image"}, 400)
        elif name == "forbids":
            self._json({"error": "who are you?"}, 401)
        elif name == "garbage":
            self._send(200, bytes(range(256)) * 4)
        elif name == "huge":
            self._send(200, b" " * (17 << 20))
        elif name == "deep":
            self._send(200, b"[" * 100_000)
        elif name == "redirects":
            self._send(302, b"", extra={"Location": "https://elsewhere.example/"})
        else:
            return False
        return True

    def _hf(self, name: str, said: np.ndarray, count: int) -> None:
        r = np.random.default_rng(count)
        words, scores = [str(i) for i in range(len(said))], said.astype(float).tolist()
        if name == "nan":
            return self._send(200, json.dumps([{"label": "0", "score": float("nan")}]).encode(), "application/json")
        if name == "outside":
            words = [f"class {i + 40}" for i in range(len(said))]
        if name == "classes":
            words, scores = [str(i) for i in range(9)], [*scores, 0.0, 0.0, 0.0, 0.0, 0.0]
        if name == "lies":
            scores = r.permutation(scores).tolist()
        if name == "half-silent" and count % 2:
            return self._json([])
        found = sorted(
            ({"label": w, "score": s} for w, s in zip(words, scores, strict=True)), key=lambda e: -e["score"]
        )
        return self._json(found[:1] if name == "top1" else found)

    def _oip(self, name: str, said: list[np.ndarray]) -> None:
        values = np.stack(said).astype(float)
        if name == "classes":
            values = np.hstack([values, np.zeros((len(values), 5))])
        if name == "nan":
            values[:] = np.nan
        if name == "shape":
            values = values[:, :2]
        if name == "numbers":
            values *= 1e38
        shape = [len(values) + (name == "count"), values.shape[1]]
        data = values.ravel().tolist()
        return self._json({"outputs": [{"name": "y", "datatype": "FP32", "shape": shape, "data": data}]})

    def _images(self, body: bytes) -> list[np.ndarray]:
        if body[:4] == b"\x89PNG":
            return [np.asarray(Image.open(io.BytesIO(body)))]
        given = json.loads(body)["inputs"][0]
        pixels = np.rint(np.array(given["data"], float).reshape(given["shape"]) * 255).astype(np.uint8)
        return list(pixels.transpose(0, 2, 3, 1))

    def _answer(self, who: str, image: np.ndarray) -> np.ndarray:
        return self.endpoint.answers[who].get(image.tobytes(), np.full(4, 0.25))

    def _parts(self) -> list[str]:
        return self.path.partition("?")[0].strip("/").split("/")

    def _json(self, document: Any, status: int = 200) -> None:
        self._send(status, json.dumps(document).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str = "text/plain", extra: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(extra or {})}.items():
            self.send_header(name, value)
        with suppress(ConnectionError):
            self.end_headers()
            self.wfile.write(body)
