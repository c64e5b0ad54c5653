"""Chapter one: train, copy, add, find, compare, and hold every verdict against what really happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from whosenet.demo import copies, files
from whosenet.demo.nets import Digits, Net, digits, one_thread, train
from whosenet.demo.progress import Narrator, tick
from whosenet.errors import WhosenetError
from whosenet.find import FindReport, ScanLibrary, add, compare, find, hash_file, open_weights
from whosenet.hashes.code import Code, joint_m_eff
from whosenet.library.base import Entry, Library
from whosenet.verify.compare import Comparison

Truth = Literal["copy", "twin", "shared-start"]
TRUTHS = ("copy", "twin", "shared-start")
ARCHS = ("cnn", "mlp")
OTHERS = 2
"""Further nets of each architecture in the library, owned by other people."""
TWINS = 4
OWNER_SEED = 1
LICENCE = "all rights reserved"


@dataclass(frozen=True)
class Suspect:
    """A file somebody brings, and the truth about it, which the verbs are not told."""

    path: Path
    truth: Truth
    edit: str
    owner: str
    """The net it was made from, or whose honest twin it is."""
    accuracy: float


@dataclass(frozen=True)
class Cast:
    owners: list[Path]
    others: list[Path]
    suspects: list[Suspect]
    accuracy: dict[str, float] = field(default_factory=dict)
    """Of the library's nets, by file stem."""

    @property
    def trained(self) -> int:
        """Nets trained from scratch."""
        return len(self.owners) + len(self.others) + sum(s.truth != "copy" for s in self.suspects)


def make_cast(folder: Path, say: Narrator) -> Cast:
    """Train the nets and write every file of the story under `folder`."""
    data = digits()
    cast = Cast([], [], [])
    with one_thread(), say.stage("train nets on handwritten digits", len(ARCHS) * (2 + OTHERS + TWINS)) as bar:
        for arch in ARCHS:
            owner = _owners(arch, data, folder, cast, bar)
            for net, truth, words in _twins(arch, data):
                path = files.safetensors(folder / "suspects" / f"{net.name}.safetensors", net.state)
                cast.suspects.append(Suspect(path, truth, words, owner.name, net.accuracy))
                tick(bar)
            made = copies.make(owner, data, folder / "suspects")
            cast.suspects.extend(Suspect(c.path, "copy", c.edit, owner.name, c.accuracy) for c in made)
    cast.suspects.sort(key=lambda s: TRUTHS.index(s.truth))
    return cast


def _owners(arch: str, data: Digits, folder: Path, cast: Cast, bar: Any) -> Net:
    """The owner's net and the other people's, written where `add` will find them."""
    nets = []
    for i in range(1 + OTHERS):
        name = f"{arch}-owner" if i == 0 else f"{arch}-other-{i}"
        nets.append(train(name, arch, data, start=OWNER_SEED + i, order=OWNER_SEED + i))
        path = files.safetensors(folder / "models" / f"{name}.safetensors", nets[-1].state)
        (cast.owners if i == 0 else cast.others).append(path)
        cast.accuracy[name] = nets[-1].accuracy
        tick(bar)
    return nets[0]


def _twins(arch: str, data: Digits) -> Iterator[tuple[Net, Truth, str]]:
    for i in range(1, 1 + TWINS):
        yield train(f"{arch}-twin-{i}", arch, data, start=100 + i, order=100 + i), "twin", "trained anew, another seed"
    again = train(f"{arch}-shared-start", arch, data, start=OWNER_SEED, order=200)
    yield again, "shared-start", "the owner's random start, own training"


def investigate(cast: Cast, folder: Path, say: Narrator, *, alpha: float) -> dict[str, Any]:
    """add -> find -> compare, as on the command line; one row a suspect, and the distances behind the plot."""
    library = folder / "library"
    with say.stage("add them to a library", len(cast.owners) + len(cast.others)) as bar:
        report = add(library, [folder / "models"], licence=LICENCE, jobs=1, on_step=lambda _: tick(bar))
    if report.failed:
        raise WhosenetError(f"the demo could not add its own models: {report.failed[0]['error']}")
    rows = []
    with ScanLibrary(library) as lib:
        with say.stage("look suspects up, compare weights", len(cast.suspects)) as bar:
            for suspect in cast.suspects:
                rows.append(_row(suspect, lib, cast, alpha))
                tick(bar)
        models = [_model(e, cast) for e in lib.entries()]
        pairs = _pairs(cast, lib)
    return {"models": models, "suspects": rows, "pairs": pairs}


def _model(entry: Entry, cast: Cast) -> dict[str, Any]:
    name, code = Path(entry.path).stem, entry.codes[0]
    return {
        "name": name,
        "accuracy": cast.accuracy[name],
        "parameters": entry.parameters,
        "method": code.signature,
        "m_eff": code.m_eff,
    }


def _row(suspect: Suspect, lib: Library, cast: Cast, alpha: float) -> dict[str, Any]:
    """What find and compare said of one suspect, beside the truth."""
    [found] = find([suspect.path], lib, top=len(lib), alpha=alpha)
    if not isinstance(found, FindReport):
        raise found
    owner = next(p for p in cast.owners if p.stem == suspect.owner)
    compared = _compare(owner, suspect.path, alpha)
    near, accused = found.matches[0], [Path(m.path).stem for m in found.matches if m.verdict == "derived"]
    verdict, outcome = judge(suspect.truth, suspect.owner, accused, compared)
    return {
        "suspect": _short(suspect.path), "truth": suspect.truth, "edit": suspect.edit, "owner": suspect.owner,
        "accuracy": suspect.accuracy, "verdict": verdict, "outcome": outcome,
        "find": {"name": Path(near.path).stem, "distance": near.distance, "bits": near.bits, "log10_p": near.log10_p,
                 "p_value": near.p_value, "verdict": near.verdict, "accused": accused},
        "compare": {"verdict": compared.verdict, "log10_p": compared.log10_p, "p_value": compared.p_value,
                    "relation": compared.relation, "coverage": compared.coverage, "reason": compared.reason},
    }  # fmt: skip


def judge(truth: Truth, owner: str, accused: list[str], compared: Comparison) -> tuple[str, str]:
    """(what whosenet says in the end, right | undecided | wrong).

    `find` names candidates, `compare` decides about them. Where every weight moved, a fine-tune and a second training
    from the same random start can look alike, and both are named: right for either. Right for a twin: nobody's copy,
    and cleared.
    """
    verdict = _said(compared)
    elsewhere = [name for name in accused if name != owner]
    if elsewhere or (truth == "twin" and accused):
        return verdict, "wrong"
    if truth == "copy":
        return verdict, "right" if accused and compared.verdict == "derived" else "wrong"
    if verdict == {"twin": "stranger", "shared-start": "shared-start"}[truth]:
        return verdict, "right"
    return verdict, "undecided" if verdict == "undecided" else "wrong"


def _said(compared: Comparison) -> str:
    if compared.verdict == "derived":
        return "shared-start" if "shared-start" in compared.relation else "copy"
    return "stranger" if compared.verdict == "independent" else "undecided"


def _compare(a: Path, b: Path, alpha: float) -> Comparison:
    with open_weights(a) as one, open_weights(b) as other:
        return compare(one, other, alpha=alpha)


def _pairs(cast: Cast, lib: Library) -> list[dict[str, Any]]:
    """Distances of copies and shared starts to their owner's net, and of all nets trained apart to each other.

    Copies are no further witnesses about strangers: they repeat what their original says.
    """
    codes = {Path(e.path).stem: e.codes[0] for e in lib.entries()}
    apart, out = dict(codes), []
    for suspect in cast.suspects:
        code = hash_file(suspect.path, digest=False).codes[0]
        if suspect.truth == "twin":
            apart[_short(suspect.path)] = code
        else:
            out.append(_pair(suspect.truth, _short(suspect.path), code, suspect.owner, codes[suspect.owner]))
    return out + [_pair("stranger", a, x, b, y) for (a, x), (b, y) in combinations(apart.items(), 2)]


def _pair(truth: str, a: str, x: Code, b: str, y: Code) -> dict[str, Any]:
    return {"truth": truth, "a": a, "b": b, "distance": x - y, "bits": x.bits, "m_eff": joint_m_eff(x.m_eff, y.m_eff)}


def _short(path: Path) -> str:
    return f"{path.parent.name}/" if path.name.endswith(".index.json") else path.name
