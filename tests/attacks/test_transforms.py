"""What a service does to images and answers: each keeps its promise, and asks no one for luck."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from whosenet.attacks.transforms import (
    FLOOR,
    Blur,
    Jpeg,
    Median,
    Noise,
    Quantise,
    Resize,
    ResizePad,
    Rounded,
    TopOnly,
)
from whosenet.networks.images import as_tensor

ALL = [Jpeg(75), Blur(0.5), Median(3), Noise(0.05, 1), ResizePad(0.7, 1), Quantise(3), Resize(0.6)]


def pictures(count: int = 6, height: int = 16, width: int = 16, channels: int = 3) -> torch.Tensor:
    """Smooth float32 [n, c, h, w] on the grid of uint8."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((count, channels, 4, 4), np.float32))
    return (torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear") * 255).round() / 255


def answers(rows: int = 50, classes: int = 10) -> torch.Tensor:
    return torch.from_numpy(3 * np.random.default_rng(1).standard_normal((rows, classes), np.float32))


@pytest.fixture(autouse=True)
def kornia() -> None:
    pytest.importorskip("kornia")


@pytest.mark.parametrize("change", ALL, ids=str)
@pytest.mark.parametrize("shape", [(6, 16, 16, 3), (3, 15, 21, 3), (2, 16, 16, 1), (1, 4, 4, 3)])
def test_images_stay_images(change: object, shape: tuple[int, int, int, int]) -> None:
    images = pictures(*shape)
    before = images.clone()
    changed = change(images)  # type: ignore[operator]
    assert changed.shape == images.shape and changed.dtype == torch.float32
    assert changed.min() >= 0 and changed.max() <= 1 and torch.isfinite(changed).all()
    assert torch.equal(images, before) and not torch.equal(changed, before)
    assert (changed - images).abs().mean() < 0.5


@pytest.mark.parametrize("change", ALL, ids=str)
def test_one_question_one_answer_in_any_batch(change: object) -> None:
    images = pictures()
    torch.manual_seed(0)
    whole = change(images)  # type: ignore[operator]
    state = torch.get_rng_state()
    alone = torch.cat([change(images[i : i + 1]) for i in range(len(images))])  # type: ignore[operator]
    assert torch.equal(state, torch.get_rng_state())
    assert torch.allclose(whole, alone, atol=1e-6)


def test_jpeg_is_what_the_codec_makes_of_it() -> None:
    images = pictures()
    pixels = (images[0].permute(1, 2, 0) * 255).round().byte().numpy()
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "JPEG", quality=60)
    expected = as_tensor(np.asarray(Image.open(held))[None])
    assert torch.equal(Jpeg(60)(images)[:1], expected)
    worse, better = ((Jpeg(q)(images) - images).abs().mean() for q in (10, 95))
    assert worse > 2 * better


def test_blur_is_a_gaussian() -> None:
    spot = torch.zeros(1, 1, 31, 31)
    spot[0, 0, 15, 15] = 1
    blurred = Blur(2.0)(spot)[0, 0]
    places = torch.arange(31) - 15.0
    assert float(blurred.sum()) == pytest.approx(1, abs=1e-4)
    assert float((blurred.sum(0) * places**2).sum()) == pytest.approx(4, rel=0.06)


def test_median_removes_single_pixels() -> None:
    spot = torch.full((1, 3, 9, 9), 0.5)
    spot[0, :, 4, 4] = 1
    assert torch.equal(Median(3)(spot)[..., 1:-1, 1:-1], torch.full((1, 3, 7, 7), 0.5))


def test_noise_has_its_spread_and_depends_on_image_and_seed() -> None:
    grey = torch.full((2, 3, 64, 64), 0.5)
    grey[1, 0, 0, 0] = 0.6
    noise = Noise(0.05, 3)(grey) - grey
    assert float(noise.std()) == pytest.approx(0.05, rel=0.05) and abs(float(noise.mean())) < 2e-3
    other = Noise(0.05, 4)(grey) - grey
    for a, b in itertools.combinations([*noise, *other], 2):
        assert abs(float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])) < 0.05


def test_resize_pad_moves_the_whole_image_onto_black() -> None:
    white = torch.ones(40, 1, 20, 20)
    white[:, 0, 0, 0] = torch.arange(40) / 255 + 0.8
    changed = ResizePad(0.5, 0)(white)
    areas = (changed > 0.5).sum((1, 2, 3)).double()
    assert areas.min() >= 100 and areas.max() <= 400 and areas.std() > 40
    corners = changed[:, 0][:, [0, 0, -1, -1], [0, -1, 0, -1]] > 0.5
    assert corners.any(0).all() and not corners.all(), "at every corner for some"
    assert torch.equal(ResizePad(1.0, 0)(white), white)


def test_quantise_keeps_its_levels() -> None:
    images = pictures()
    assert torch.allclose(Quantise(8)(images), images)
    assert set(Quantise(1)(images).unique().tolist()) == {0.0, 1.0}
    assert len(Quantise(3)(images).unique()) == 8


@pytest.mark.parametrize("digits", [1, 2, 4])
def test_probabilities_are_rounded(digits: int) -> None:
    logits = answers()
    exact = logits.double().softmax(1)
    sent = Rounded(digits)(logits).double().exp()
    assert (sent - exact).abs().max() <= 0.5 * 10.0**-digits + 1e-6
    assert torch.allclose(sent * 10**digits, (sent * 10**digits).round(), atol=1e-3)
    assert float(sent.min()) == pytest.approx(FLOOR, rel=1e-3), "some are rounded away"


def test_only_the_top_is_sent() -> None:
    logits = answers()
    sent = TopOnly()(logits)
    assert torch.isfinite(sent).all()
    assert torch.equal(sent.argmax(1), logits.argmax(1))
    told = sent.softmax(1).sort(1).values
    assert (told[:, -1] > 1 - 1e-6).all() and (told[:, :-1] < 1e-6).all()
    assert torch.equal(TopOnly()(logits * 3 - 1), sent), "confidence does not show"
