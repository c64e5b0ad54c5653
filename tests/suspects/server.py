"""A model server on loopback that can be told to fail, lie, dawdle and answer nonsense: python server.py

The first line on stdout is its port. Addresses: /MODE/VARIANT/TAG/v2/models/toy[/infer] (Open Inference Protocol) and
/MODE/VARIANT/TAG/hf (Hugging Face); GET /MODE/VARIANT/TAG/seen tells what came in. A mode is NAME or NAME:NUMBER.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import toy

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "binary": {"binary": True},
    "u8": {"datatype": "UINT8", "dims": [-1, 8, 8, 3]},
    "u8binary": {"datatype": "UINT8", "dims": [-1, 8, 8, 3], "binary": True},
    "nhwc": {"dims": [-1, 8, 8, 3]},
    "half": {"datatype": "FP16", "binary": True},
    "static4": {"dims": [4, 3, 8, 8]},
    "nobatch": {"dims": [3, 8, 8]},
    "dynamic": {"dims": [-1, 3, -1, -1]},
    "size16": {"dims": [-1, 3, 16, 16]},
    "seven": {"declares": 7},
    "labels": {"answers": "INT64"},
    "strings": {"answers": "BYTES"},
    "logits": {"answers": "logits"},
    "textual": {"datatype": "BYTES"},
    "grey": {"dims": [-1, 1, 8, 8]},
}
TOKEN = "hunter2-token"
SEEN: dict[str, dict[str, Any]] = {}
LOCK = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        mode, variant, tag, rest = self._route()
        if rest == ["seen"]:
            return self._json(SEEN.get(tag, {"requests": 0, "images": 0}))
        if mode == "htmlall":
            return self._send(200, b"<!doctype html><html>Log in</html>", "text/html")
        if mode == "nometa":
            return self._json({"error": "no such model"}, 404)
        if mode == "auth" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._json({"error": "who are you?"}, 401)
        if mode == "redirect":
            return self._send(302, b"", extra={"Location": "https://elsewhere.example/?key=1"})
        if mode == "deepmeta":
            return self._send(200, b'{"inputs":' + b"[" * 200_000, "application/json")
        if mode == "oddmeta":
            return self._json({"inputs": "none", "outputs": 3})
        if rest == ["v2"]:
            return self._json({"name": "toy", "extensions": ["binary_tensor_data"] if variant.get("binary") else []})
        kind = variant.get("answers", "FP32")
        shape = [-1] if kind in ("INT64", "BYTES") else [-1, variant.get("declares", toy.CLASSES)]
        about = {
            "name": "toy",
            "versions": ["1"],
            "platform": "numpy",
            "inputs": [
                {
                    "name": "picture",
                    "datatype": variant.get("datatype", "FP32"),
                    "shape": variant.get("dims", [-1, 3, 8, 8]),
                }
            ],
            "outputs": [
                {"name": "aux", "datatype": "FP32", "shape": [-1]},
                {
                    "name": "said",
                    "datatype": "FP32" if kind == "logits" else kind,
                    "shape": shape[1:] if "dims" in variant and len(variant["dims"]) == 3 else shape,
                },
            ],
        }
        if kind in ("INT64", "BYTES"):
            about["outputs"] = about["outputs"][1:]
        if mode == "silent":
            about.update(inputs=[], outputs=[])
        return self._json(about)

    def do_POST(self) -> None:
        mode, variant, tag, rest = self._route()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with LOCK:
            seen = SEEN.setdefault(tag, {"requests": 0, "images": 0, "bytes": 0})
            seen["requests"] += 1
            seen["bytes"] = max(seen["bytes"], len(body))
            seen["headers"] = dict(self.headers.items())
            number = seen["requests"]
        hf = rest == ["hf"]
        pictures = self._hf_picture(body) if hf else self._pictures(body, variant)
        with LOCK:
            seen["images"] += len(pictures)
        name, _, many = mode.partition(":")
        if self._misbehaves(name, int(many or 1 << 30), number, pictures):
            return
        if hf:
            self._json(self._hf(name, many, pictures))
        else:
            self._oip(name, variant, pictures)

    def _misbehaves(self, name: str, many: int, number: int, pictures: np.ndarray) -> bool:
        """Whether the mode has answered (badly) already."""
        first = number <= many
        if name == "fail" and first:
            self._json({"error": "out of memory"}, 500)
        elif name == "busy" and first:
            self._send(429, b"slow down", extra={"Retry-After": "0.05"})
        elif name == "loading" and first:
            self._json({"error": "Model is currently loading"}, 503)
        elif name == "slow" and first:
            time.sleep(1.5)
            return False
        elif name == "drip":
            self._drip(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 1000)
        elif name == "dripbody":
            self._drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b" " * 1000, at_once=60)
        elif name in ("html", "htmlall") and first:
            self._send(200, b"<html>Welcome to our portal</html>", "text/html")
        elif name == "huge":
            self._send(200, b" " * (20 << 20))
        elif name == "gzip":
            self._send(200, gzip.compress(b" " * (1 << 24)), extra={"Content-Encoding": "gzip"})
        elif name == "deep":
            self._send(200, b'{"outputs":' + b"[" * 200_000 + b"]" * 200_000 + b"}")
        elif name == "digits":
            self._send(200, b'{"outputs": ' + b"9" * 1_000_000 + b"}")
        elif name == "cut":
            self._send(200, b'{"outputs": [', extra={"Content-Length": "500"})
            self.close_connection = True
        elif name == "gone":
            self.close_connection = True
        elif name == "error200":
            self._json({"error": "CUDA error \x1b[31m"})
        elif name == "poison" and (pictures[:, 0, 0, 0] < 1e-6).any():
            self._json({"error": "bad image"}, 500)
        elif name == "limit" and len(pictures) > many:
            self._json({"error": f"batch size must be <= {many}"}, 400)
        elif name in ("echo", "echoerror"):
            said = f"you sent {self.headers.get('Authorization')} to {self.path}"
            self._json(
                [{"label": said, "score": 1.0}] if name == "echo" else {"error": said}, 200 if name == "echo" else 403
            )
        elif name == "refuse":
            self._json({"error": "unsupported image"}, 400)
        elif name == "auth" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._json({"error": "who are you?"}, 401)
        elif name == "redirect":
            self._send(307, b"", extra={"Location": "https://elsewhere.example/?key=1"})
        else:
            return False
        return True

    def _oip(self, name: str, variant: dict[str, Any], pictures: np.ndarray) -> None:
        kind = variant.get("answers", "FP32")
        values = toy.logits(pictures)
        values = values if kind == "logits" else toy.softmax(values)
        values = self._lie(name, values)
        shape = list(values.shape)
        if kind == "INT64":
            values, shape = values.argmax(1) + (99 if name == "outside" else 0), [len(values)]
        if kind == "BYTES":
            values, shape = np.array([toy.NAMES[i] for i in values.argmax(1)]), [len(values)]
        if len(variant.get("dims", [0] * 4)) == 3:
            shape = shape[1:]
        datatype = "FP32" if kind in ("FP32", "logits") else kind
        out = {"name": "said", "datatype": datatype, "shape": shape}
        aux = {"name": "aux", "datatype": "FP32", "shape": [1]}
        if not variant.get("binary"):
            return self._json(
                {"model_name": "toy", "outputs": [{**aux, "data": [0.5]}, {**out, "data": values.ravel().tolist()}]}
            )
        raw = values.astype("<f4").tobytes()
        out["parameters"], aux["parameters"] = {"binary_data_size": len(raw)}, {"binary_data_size": 4}
        head = json.dumps({"model_name": "toy", "outputs": [aux, out]}).encode()
        length = {"shortbinary": "5", "longbinary": "99999999999", "oddbinary": "x"}.get(name, str(len(head)))
        data = head + struct.pack("<f", 0.5) + (raw[:-4] if name == "cutbinary" else raw)
        return self._send(200, data, "application/octet-stream", {"Inference-Header-Content-Length": length})

    def _lie(self, name: str, values: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng()
        if name == "random":
            return rng.dirichlet(np.ones(values.shape[1]), len(values))
        if name == "nan":
            values = values.copy()
            values[::2, 0] = np.nan
        if name == "infinite":
            values = values.copy()
            values[:, 0] = np.inf
        if name == "count":
            return np.concatenate([values, values[:1]])
        if name == "classes":
            return np.concatenate([values, values[:, :1]], 1)
        if name == "zeros":
            return np.zeros_like(values)
        if name == "rounded":
            return values.round(1)
        if name == "sigmoid":
            return values * 0.3
        return values

    def _hf(self, name: str, many: str, pictures: np.ndarray) -> Any:
        row = self._lie(name, toy.softmax(toy.logits(pictures)))[0]
        said = [{"label": toy.NAMES[i % 5].upper().replace(" ", "_"), "score": float(p)} for i, p in enumerate(row)]
        if name == "numbered":
            said = [{"label": f"LABEL_{i}", "score": float(p)} for i, p in enumerate(row)]
        if name == "outside":
            said = [{"label": f"LABEL_{i + 77}", "score": float(p)} for i, p in enumerate(row)]
        if name == "foreign":
            said = [{"label": f"thing \x1b[31m {i}", "score": float(p)} for i, p in enumerate(row)]
        if name == "nan":
            said[0]["score"] = float("nan")
        if name == "odd":
            return [{"label": 3}, "x"]
        if name == "twice":
            return [said[0], said[0]]
        said.sort(key=lambda e: -e["score"])
        if name == "shuffled":
            said = said[::-1]
        return said[: int(many)] if name == "top" else said

    def _pictures(self, body: bytes, variant: dict[str, Any]) -> np.ndarray:
        """float [n, c, h, w] in 0..1 as the model wants them."""
        length = self.headers.get("Inference-Header-Content-Length")
        asked = json.loads(body[: int(length)] if length else body)
        tensor = asked["inputs"][0]
        dtype = {"FP32": "<f4", "FP16": "<f2", "UINT8": "u1"}[tensor["datatype"]]
        values = np.frombuffer(body[int(length) :], dtype) if length else np.array(tensor["data"])
        values = values.reshape(tensor["shape"]).astype(np.float32)
        values = values[None] if values.ndim == 3 else values
        if tensor["datatype"] == "UINT8":
            values = values / 255
        if values.shape[-1] in (1, 3):
            values = values.transpose(0, 3, 1, 2)
        if values.shape[1] == 1:
            values = values.repeat(3, 1)
        return values[:, :, :: values.shape[2] // 8, :: values.shape[3] // 8].astype(np.float32)

    def _hf_picture(self, body: bytes) -> np.ndarray:
        pixels = np.asarray(Image.open(io.BytesIO(body)).convert("RGB"), np.float32) / 255
        return pixels.transpose(2, 0, 1)[None, :, :: pixels.shape[0] // 8, :: pixels.shape[1] // 8]

    def _route(self) -> tuple[str, dict[str, Any], str, list[str]]:
        mode, variant, tag, *rest = self.path.partition("?")[0].strip("/").split("/")
        return mode, VARIANTS[variant], tag, rest

    def _json(self, document: Any, status: int = 200) -> None:
        self._send(status, json.dumps(document).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str = "text/plain", extra: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(extra or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, data: bytes, at_once: int = 1) -> None:
        self.close_connection = True
        self.wfile.write(data[:at_once])
        for byte in data[at_once:]:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.1)


if __name__ == "__main__":
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    made.handle_error = lambda *args: None  # type: ignore[method-assign]
    print(made.server_port, flush=True)
    made.serve_forever()
