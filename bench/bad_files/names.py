"""Names that would take over a terminal, a table or an encoding."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

from bad_files.made import NASTY, case, good_safetensors, lie, net, safetensors


@case("tensor names with control characters, in a good file", good=True)
def nasty_tensors(folder: Path) -> Path:
    return safetensors(folder / "m.safetensors", {f"{i}{NASTY}": array for i, array in enumerate(net().values())})


@case("tensor names with control characters, in a bad file")
def nasty_lie(folder: Path) -> Path:
    header = {NASTY: lie([1 << 62, 1 << 62])["w"]}
    return safetensors(folder / "m.safetensors", net(), header=header)


@case("type name with control characters")
def nasty_type(folder: Path) -> Path:
    header = {"w": {"dtype": NASTY, "shape": [4], "data_offsets": [0, 16]}}
    return safetensors(folder / "m.safetensors", net(), header=header)


@case("shard names with control characters")
def nasty_shard(folder: Path) -> Path:
    path = folder / "m.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": {"w": NASTY}}))
    return path


@case("JSON key with control characters, twice")
def nasty_json(folder: Path) -> Path:
    return safetensors(folder / "m.safetensors", net(), header=b'{"\x1b[31m": 1, "\x1b[31m": 2}')


@case("pickled class with control characters in its name")
def nasty_class(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "m.pt", "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02c\x1b[31mtorch\n\x1b[2Jx\n)R.")
    return folder / "m.pt"


@case("file name with control characters, bad file")
def nasty_name(folder: Path) -> Path:
    path = folder / (NASTY.replace("/", "") + ".safetensors")
    path.write_bytes(b"garbage" * 9)
    return path


@case("file name with control characters, good file", good=True)
def nasty_good_name(folder: Path) -> Path:
    return good_safetensors(folder / (NASTY.replace("/", "") + ".safetensors"))


@case("file name that is no UTF-8, bad file")
def no_text(folder: Path) -> Path:
    path = Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.safetensors"))
    path.write_bytes(b"garbage" * 9)
    return path


@case("file name that is no UTF-8, good file", good=True)
def no_text_good(folder: Path) -> Path:
    return good_safetensors(Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.safetensors")))
