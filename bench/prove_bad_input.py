"""Bad input to PROVE's verbs: keys, carriers, images, networks and disks that are not what they should be.

python bench/prove_bad_input.py            # results/prove_bad_input.{json,md}

Every case is a test: the error is clear, the network given is untouched, and nothing half-written is left. This runs them and
says which there are.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree  # our own file, just written

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import record
from bench.population.index import CHECKOUT

CASES = (
    "tests/proving/test_bad_input.py",
    "tests/proving/test_embedding.py",
    "tests/proving/test_checking.py",
    "tests/keys/test_hostile_keys.py",
    "tests/hostile/test_trigger_command.py",
)


def main() -> None:
    found = _run()
    failed = [case for case in found if not case["passed"]]
    rows = [[case["file"], case["case"], "as it should" if case["passed"] else "FAILED"] for case in found]
    text = "\n\n".join([
        f"{len(found)} tests of bad input to embed, verify, trigger, reveal, trace and judge, and of what is left behind; {len(failed)} failed:",
        record.table(["where", "case", "ends"], rows),
    ])  # fmt: skip
    record.write("prove_bad_input", {"cases": found, "failed": len(failed)}, text)
    if failed:
        raise SystemExit(1)


def _run() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", f"--junitxml={report}", *CASES],
            cwd=CHECKOUT,
            check=False,
            stdout=sys.stderr,
        )
        cases = ElementTree.parse(report).getroot().iter("testcase")  # noqa: S314
        return [_case(case) for case in cases if case.find("skipped") is None]


def _case(case: ElementTree.Element) -> dict[str, Any]:
    said = case.attrib["name"].removeprefix("test_").replace("_", " ")
    passed = case.find("failure") is None and case.find("error") is None
    return {"file": case.attrib["classname"].replace(".", "/"), "case": said, "passed": passed}


if __name__ == "__main__":
    main()
