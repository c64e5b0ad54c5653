"""Labelled images: an .npz with `x`, `y` and optionally `names`, or a folder with one folder of images a class."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import MalformedFile, MissingExtra, UnreadableInput

if TYPE_CHECKING:
    import torch

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
MAX_BYTES = 1 << 34
MAX_CLASSES = 100_000
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


@dataclass(frozen=True, eq=False)
class Images:
    """`x` uint8 [n, h, w, c] (c is 1 or 3), `y` int64 [n] in 0..classes-1, `names` one a class or none."""

    x: Pixels
    y: Labels
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    @property
    def classes(self) -> int:
        return max(len(self.names), int(self.y.max()) + 1 if len(self.y) else 0)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of pixels and labels."""
        return hashlib.sha256(np.ascontiguousarray(self.x).data.tobytes() + self.y.tobytes()).hexdigest()

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Images:
        return Images(np.ascontiguousarray(self.x[rows]), self.y[rows], self.names)


def image_digest(image: Pixels) -> str:
    """SHA-256 of one uint8 image [h, w, c] with its shape."""
    image = np.ascontiguousarray(image)
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()


def split(images: Images, share: float, salt: str = "") -> tuple[Images, Images]:
    """(rest, held out): about `share` (0..1) is held out, by each image's digest: one image always falls alike."""
    salted = (hashlib.sha256(f"{salt}:{image_digest(x)}".encode()).digest() for x in images.x)
    held = np.array([int.from_bytes(d[:8], "big") < share * 2**64 for d in salted], bool)
    return images.take(~held), images.take(held)


def as_tensor(x: Pixels) -> torch.Tensor:
    """uint8 [n, h, w, c] -> float32 [n, c, h, w] in 0..1."""
    import torch

    # a copy: images read from a file are read-only, which torch does not know
    return torch.tensor(np.ascontiguousarray(x)).permute(0, 3, 1, 2).float().div_(255).contiguous()


def as_uint8(images: torch.Tensor) -> Pixels:
    """float32 [n, c, h, w] in 0..1 -> uint8 [n, h, w, c], rounded as a PNG stores it."""
    pixels: Pixels = (images.detach().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return pixels


def load_images(path: str | Path) -> Images:
    """Raises UnreadableInput with what was expected. Images keep their size; all must have the same."""
    path = Path(path)
    if path.is_dir():
        return _folder(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                raise MalformedFile(path, f"unpacks to more than {MAX_BYTES >> 30} GiB; give fewer images")
        with np.load(path, allow_pickle=False) as found:
            names = tuple(str(n)[:200] for n in found["names"].tolist()) if "names" in found else ()
            return _checked(path, found["x"], found["y"], names)
    except OSError as error:
        raise UnreadableInput(path, f"cannot be read ({error.strerror or error}); check the path") from error
    except (zipfile.BadZipFile, KeyError, ValueError, MemoryError, EOFError) as error:
        why = "is no .npz with `x` (uint8 [n, h, w, c]) and `y` (int [n]), nor a folder of class folders"
        raise MalformedFile(path, f"{why} ({str(error)[:120]})") from error


def _checked(path: Path, x: NDArray[np.generic], y: NDArray[np.generic], names: tuple[str, ...]) -> Images:
    if x.ndim == 3:
        x = x[..., None]
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[3] not in (1, 3) or not len(x):
        raise MalformedFile(path, f"`x` must be uint8 [n, h, w, 1 or 3], got {x.dtype} {list(x.shape)}")
    if y.shape != (len(x),) or y.dtype.kind not in "iu":
        raise MalformedFile(path, f"`y` must be {len(x)} whole numbers, got {y.dtype} {list(y.shape)}")
    labels = y.astype(np.int64)
    top = len(names) if names else MAX_CLASSES
    if labels.min() < 0 or labels.max() >= top:
        raise MalformedFile(path, f"`y` must lie in 0..{top - 1}, got {labels.min()}..{labels.max()}")
    return Images(np.asarray(x, np.uint8), labels, names)


def _folder(path: Path) -> Images:
    classes = sorted(p for p in path.iterdir() if p.is_dir())
    files = [(f, k) for k, c in enumerate(classes) for f in sorted(c.iterdir()) if f.suffix.lower() in ENDINGS]
    if not files:
        raise UnreadableInput(path, "is a folder without class folders of images; expected CLASS/IMAGE.png")
    images = [read_image(f) for f, _ in files]
    shapes = sorted({i.shape for i in images})
    if len(shapes) > 1:
        raise UnreadableInput(path, f"holds images of several sizes, {shapes[:3]}; make them all of one size")
    labels = np.array([k for _, k in files], np.int64)
    return _checked(path, np.stack(images), labels, tuple(c.name for c in classes))


def read_image(path: Path) -> Pixels:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtra("torch", "reading a folder of images", path) from error
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"), np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MalformedFile(path, f"is no readable image ({str(error)[:120]})") from error
