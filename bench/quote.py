"""Put the tables of bench/results into the documents that quote them, between `<!-- begin NAME -->` and `<!-- end -->`.

python bench/quote.py            # rewrite the documents
python bench/quote.py --check    # exit 1 if one is out of date
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUOTE = re.compile(r"(<!-- begin (?P<name>\w+) -->\n).*?(<!-- end -->)", re.S)


def quoted(text: str) -> str:
    """The document with every quoted table as it stands in bench/results."""
    return QUOTE.sub(lambda m: m[1] + _table(m["name"]) + m[3] if _path(m["name"]).is_file() else m[0], text)


def _path(name: str) -> Path:
    return ROOT / "bench" / "results" / f"{name}.md"


def _table(name: str) -> str:
    return _path(name).read_text()


def main() -> int:
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    stale = [d for d in documents if quoted(d.read_text()) != d.read_text()]
    for document in stale:
        if "--check" in sys.argv:
            print(f"{document.relative_to(ROOT)}: quotes another state of bench/results; run python bench/quote.py")
        else:
            document.write_text(quoted(document.read_text()))
    return int("--check" in sys.argv and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
