"""Every way in which what is given to TEST may be wrong: the call, and what must come of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.bad_input.endpoint import Elsewhere
from bench.bad_input.runs import Ran, run
from bench.bad_input.small import CHOOSERS, NULL, Small, images

NOT_ACCUSED = ("inconclusive", "independent")
UNSURE = ("inconclusive",)
QUICK = ("--retries", 1, "--timeout", 1)
Call = Callable[[Path], Ran]


@dataclass(frozen=True)
class Case:
    """`group` is the line of the promise it belongs to. With exit code 0 the verdict must be one of `verdicts`."""

    group: str
    name: str
    call: Call
    codes: tuple[int, ...]
    verdicts: tuple[str, ...] = ()
    words: str = ""
    """In the error, or in the reasons and problems."""


def every(small: Small, endpoint: Elsewhere) -> Iterator[Case]:
    yield from sound(small, endpoint)
    yield from suspects(small)
    yield from endpoints(small, endpoint)
    yield from files(small)
    yield from references(small)
    yield from outputs(small)


def probe(
    small: Small, suspect: object, *more: object, null: list[str] | None = None, fingerprint: Path | None = None
) -> Call:
    """The transcript, where one is kept, is `t` in the case's folder."""
    told = small.null if null is None else null
    return lambda folder: run("probe", suspect, "--fingerprint", fingerprint or small.fingerprint, *told, "--json",
                              "--transcript", folder / "t", *more)  # fmt: skip


def sound(small: Small, endpoint: Elsewhere) -> Iterator[Case]:
    """So that 'never accused' means something: the same calls find a copy where nothing is wrong."""
    group = "nothing is wrong"
    yield Case(group, "the owner's own network", probe(small, small.spec()), (0,), ("derived",))
    yield Case(group, "a twin trained apart", probe(small, small.spec("twin16")), (0,), NOT_ACCUSED)
    yield Case(
        group, "the owner's network at an endpoint", probe(small, endpoint.url("ok", "owner")), (0,), ("derived",)
    )
    yield Case(group, "the same, top-1 only", probe(small, endpoint.url("top1", "owner")), (0,), ("derived",))
    yield Case(group, "a twin at an endpoint", probe(small, endpoint.url("ok")), (0,), NOT_ACCUSED)
    yield Case(group, "a twin, top-1 only", probe(small, endpoint.url("top1")), (0,), NOT_ACCUSED)

    more = small.fingerprint.read_bytes() + b"more"
    yield Case(group, "something behind the fingerprint's end", lambda f: _with(small, f, more), (0,), ("derived",))


def suspects(small: Small) -> Iterator[Case]:
    wrong = "wrong suspect"
    yield Case(wrong, "another number of classes", probe(small, small.spec("nine", "nine")), (0, 2), UNSURE, "classes")
    yield Case(wrong, "another image size", probe(small, small.spec("owner", "strict")), (0, 2, 5), UNSURE, "20x20")
    yield Case(wrong, "NaN answers", probe(small, small.spec("owner", "nan")), (0, 5), UNSURE, "NaN")
    yield Case(wrong, "the same answer to everything", probe(small, small.spec("owner", "constant")), (0,), UNSURE)
    yield Case(wrong, "never trained", probe(small, small.spec("fresh")), (0,), UNSURE, "control")
    for factory, name in (("shifted", "fed -1..0"), ("dark", "fed 0..0.05"), ("turned", "inverted, BGR"),
                          ("shuffled", "classes in another order")):  # fmt: skip
        yield Case("wrong normalisation", f"the owner's network, {name}", probe(small, small.spec("owner", factory)),
                   (0,), UNSURE, "control")  # fmt: skip
        yield Case(
            "wrong normalisation", f"a twin, {name}", probe(small, small.spec("twin16", factory)), (0,), NOT_ACCUSED
        )
    yield Case(wrong, "weights alone", probe(small, small.folder / "owner.safetensors"), (2,))
    yield Case(wrong, "no such file", probe(small, small.folder / "no.onnx"), (3,))


def endpoints(small: Small, endpoint: Elsewhere) -> Iterator[Case]:
    def at(mode: str, *more: object, who: str = "twin", oip: bool = False) -> Call:
        return probe(small, endpoint.url(mode, who, oip=oip), *QUICK, *more)

    group = "an endpoint"
    for mode, name, words in (("fails", "answers HTTP 500", "500"), ("slow", "times out", "no answer within"),
                              ("html", "HTML instead of JSON", "HTML"), ("garbage", "bytes that are no JSON", "JSON"),
                              ("deep", "JSON nested 100,000 deep", "JSON"), ("huge", "an answer of 17 MiB", "MiB"),
                              ("forbids", "wants a token", "--token-env"), ("redirects", "redirects", "redirects")):  # fmt: skip
        yield Case(group, name, at(mode), (5,), words=words)
    for mode, name, words in (("nan", "NaN scores", "finite"), ("outside", "labels outside the list", "none of the classes"),
                              ("classes", "nine classes", "9 classes"), ("refuses", "refuses every image", "unsupported")):  # fmt: skip
        yield Case(group, name, at(mode), (0, 5), UNSURE, words)
        yield Case(group, f"{name}, the owner's network", at(mode, who="owner"), (0, 5), UNSURE, words)
    yield Case(group, "lies (random answers)", at("lies"), (0,), NOT_ACCUSED)
    yield Case(group, "the owner's network, lies", at("lies", who="owner"), (0,), UNSURE)
    yield Case(group, "silent every other time", at("half-silent"), (0,), UNSURE, "valid answer")
    for mode, name, words in (("classes", "nine classes declared", "9 classes"), ("nan", "NaN in the tensor", ""),
                              ("shape", "too few numbers", ""), ("count", "more answers than questions", ""),
                              ("numbers", "numbers of 1e38", ""), ("html", "HTML instead of metadata", "HTML")):  # fmt: skip
        yield Case(group, f"Open Inference Protocol, {name}", at(mode, oip=True), (0, 5), UNSURE, words)
    yield Case(group, "nobody there", probe(small, "http://127.0.0.1:9/x", *QUICK), (5,))
    yield Case(group, "no address", probe(small, "http://[x", *QUICK), (2,))
    yield Case("budget", "three questions", at("ok", "--budget", 3), (0,), UNSURE)
    yield Case("budget", "three questions, the owner's network", at("ok", "--budget", 3, who="owner"), (0,), UNSURE)
    yield Case("budget", "none", at("ok", "--budget", 0), (2,))
    yield Case(
        "transcript",
        "an endpoint that breaks down is asked on",
        lambda f: _asked_on(small, endpoint, f),
        (0,),
        NOT_ACCUSED,
    )
    yield Case(
        "transcript", "killed in the middle, and asked on", lambda f: _killed(small, endpoint, f), (0,), NOT_ACCUSED
    )


def _asked_on(small: Small, endpoint: Elsewhere, folder: Path) -> Ran:
    call = probe(small, endpoint.url("breaks:20"), "--retries", 0, "--timeout", 5)
    first = call(folder)
    kept = _answers(folder / "t")
    for _ in range(20):
        second = call(folder)
        if second.code != 5:
            break
    second.expect(first.code == 5 and "20 of 100 answers are kept" in first.err, f"first: {first.code} {first.err}")
    second.expect(kept == 20, f"{kept} answers kept")
    return _whole(second, folder)


def _killed(small: Small, endpoint: Elsewhere, folder: Path) -> Ran:
    call = (
        "probe",
        endpoint.url("ok"),
        "--fingerprint",
        small.fingerprint,
        *small.null,
        "--json",
        "--transcript",
        folder / "t",
    )
    killed = run(*call, "--rate", 20, killed_when=lambda: _answers(folder / "t") >= 10)
    kept = _answers(folder / "t")
    second = run(*call)
    second.expect(killed.code == -9 and 10 <= kept < 100, f"killed: {killed.code}, {kept} kept")
    second.expect(second.document.get("asked", {}).get("resumed") == kept, "asked again what was kept")
    return _whole(second, folder)


def _answers(path: Path) -> int:
    return path.read_bytes().count(b'"line":"answer"') if path.exists() else 0


def _whole(probed: Ran, folder: Path) -> Ran:
    judged = run("judge", folder / "t", "--json")
    same = all(probed.document.get(k) == judged.document.get(k) for k in ("verdict", "p_value", "queries"))
    probed.expect(same and probed.document.get("queries") == 100, "judge says otherwise")
    return probed


def files(small: Small) -> Iterator[Case]:
    whole = small.fingerprint.read_bytes()
    middle = len(whole) // 2
    changes = {
        "one byte changed in the middle": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "one byte changed in the header": whole[:60] + bytes([whole[60] ^ 1]) + whole[61:],
        "cut in half": whole[:middle], "empty": b"", "a web page": b"<html></html>", "zeros": bytes(4096),
    }  # fmt: skip
    for name, data in changes.items():
        yield Case("altered fingerprint", name, lambda f, d=data: _with(small, f, d), (3,), words="bad.fingerprint")
    yield Case("altered fingerprint", "missing", probe(small, small.spec(), fingerprint=small.folder / "no"), (3,))
    for name, change in (("an answer changed", _relabel), ("an answer taken out", lambda t: t[:-3] + t[-2:]),
                         ("a reference taken out", lambda t: t[:1] + t[2:]), ("the alpha changed", _realpha),
                         ("a line of nonsense", lambda t: [*t, b"nonsense\n"])):  # fmt: skip
        yield Case("altered transcript", name, lambda f, c=change: _judged(small, f, c), (3,))
        yield Case("altered transcript", f"{name}, asked on", lambda f, c=change: _judged(small, f, c, on=True), (2, 3))
    yield Case("altered transcript", "the last 20 answers cut off (an honest twin)", lambda f: _judged(small, f, lambda t: t[:-20]),
               (0,), NOT_ACCUSED, "partial")  # fmt: skip
    x, y = images(60)
    for name, what in (("labels outside the list", {"x": x, "y": y + 1000}), ("negative labels", {"x": x, "y": y - 5}),
                       ("NaN images", {"x": np.full(x.shape, np.nan), "y": y}), ("no images", {"x": x[:0], "y": y[:0]}),
                       ("other counts", {"x": x, "y": y[:5]}), ("no labels", {"x": x}),
                       ("pickled objects", {"x": x, "y": np.array([{}] * 60, object)})):  # fmt: skip
        yield Case("wrong images", name, lambda f, w=what: _from_data(small, f, w), (2, 3))


def _with(small: Small, folder: Path, data: bytes) -> Ran:
    (folder / "bad.fingerprint").write_bytes(data)
    return probe(small, small.spec(), fingerprint=folder / "bad.fingerprint")(folder)


def _judged(small: Small, folder: Path, change: Callable[[list[bytes]], list[bytes]], *, on: bool = False) -> Ran:
    call = probe(small, small.spec("twin16"))
    call(folder)
    path = folder / "t"
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    return call(folder) if on else run("judge", path, "--json")


def _relabel(lines: list[bytes]) -> list[bytes]:
    old = lines[-5]
    digit = old[old.index(b'"label":') + 8 :][:1]
    return [*lines[:-5], old.replace(b'"label":' + digit, b'"label":' + (b"1" if digit == b"0" else b"0")), *lines[-4:]]


def _realpha(lines: list[bytes]) -> list[bytes]:
    return [lines[0].replace(b'"alpha":0.001', b'"alpha":0.5'), *lines[1:]]


def _from_data(small: Small, folder: Path, arrays: dict[str, Any]) -> Ran:
    np.savez(folder / "d.npz", **arrays)
    return run("fingerprint", small.spec(), "--data", folder / "d.npz", "-o", folder / "f", "--method", "akh", "--json")


def references(small: Small) -> Iterator[Case]:
    group, few = "wrong references", small.null[:4]
    clones = [f"--reference={small.spec(f'clone{i}')}" for i in range(NULL)]
    for name, null, words in (
        ("copies of one network", clones, "alike"), ("one of them never trained", [*small.null[1:], _ref(small, "fresh")], "untrained"),
        ("one of them answers NaN", [*small.null[1:], _ref(small, "twin16", "nan")], "NaN"),
        ("one of them with nine classes", [*small.null[1:], _ref(small, "nine", "nine")], "classes"),
        ("one of them takes other images", [*small.null[1:], _ref(small, "twin16", "strict")], "20x20"),
        ("one of them chose points", [*small.null[1:], _ref(small, f"twin{CHOOSERS - 1}")], "chose points"),
        ("the owner among them", [*small.null[1:], _ref(small, "owner")], "owner"),
        ("one of them given twice", [*small.null[1:], small.null[1]], "give others"),
    ):  # fmt: skip
        yield Case(group, name, probe(small, small.spec(), null=null), (2,), words=words)
    yield Case(group, "the suspect among them", probe(small, small.spec(f"twin{CHOOSERS}")), (2,), words="suspect")
    yield Case(group, "only four", probe(small, small.spec(), null=few), (0,), UNSURE, "4 null references")
    yield Case(group, "none", probe(small, small.spec(), null=[]), (0,), UNSURE, "0 null references")


def _ref(small: Small, weights: str, factory: str = "small") -> str:
    return f"--reference={small.spec(weights, factory)}"


def outputs(small: Small) -> Iterator[Case]:
    group, code = "unwritable output", small.spec().partition("@")[0]
    for name, place in (
        ("below a file", lambda f: small.data / "t"),
        ("a folder", lambda f: f),
        ("in /proc", lambda f: "/proc/t"),
    ):
        yield Case(group, f"transcript {name}", lambda f, p=place: run(
            "probe", small.spec(), "--fingerprint", small.fingerprint, *small.null, "--json", "--transcript", p(f)), (2, 3))  # fmt: skip
        yield Case(group, f"fingerprint {name}", lambda f, p=place: run(
            "fingerprint", small.spec(), "--data", small.data, "--method", "null", "--points", 10, "--copies", "none",
            "--json", "-o", p(f)), (2, 3))  # fmt: skip
    for name, place in (("below a file", small.data / "t"), ("in /proc", "/proc/t")):
        yield Case(group, f"twins {name}", lambda f, p=place: run(
            "twins", code, "--data", small.data, "--count", 1, "--epochs", 1, "--json", "-o", p), (2, 3))  # fmt: skip
        yield Case(group, f"attack {name}", lambda f, p=place: run(
            "attack", "int8", small.spec(), "--data", small.data, "--json", "-o", p), (2, 3))  # fmt: skip
