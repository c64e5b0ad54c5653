"""Bad input through TEST's real command line: a clear error or `inconclusive`, never an accusation, nothing lost.

    python bench/test_bad_input.py [--only TEXT]      # results/test_bad_input.{json,md}

Each case is a call in a process of its own. Asked each time: the exit code, the verdict, the reason in words, one line of
error without a traceback, valid JSON or nothing on stdout, `derived` only where nothing is wrong, and every answer that
was given in a sound transcript.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import record
from bench.bad_input import cases, runs, small
from bench.bad_input.cases import Case
from bench.bad_input.endpoint import Answers, Elsewhere, Endpoint
from bench.bad_input.runs import Ran, fresh, run
from whosenet.networks.predict import probabilities
from whosenet.networks.spec import load_network
from whosenet.questions.queryset import load

CACHE = Path(__file__).parent / "cache" / "bad-input"


def known(world: small.Small) -> Answers:
    """What the owner's network and a twin that is no reference say of the questions."""
    x = np.asarray(load(world.fingerprint).images)
    who = {"owner": world.spec(), "twin": world.spec("twin16")}
    said = {name: probabilities(load_network(spec).module, x) for name, spec in who.items()}
    return {name: {image.tobytes(): row for image, row in zip(x, rows, strict=True)} for name, rows in said.items()}


def check(case: Case, ran: Ran, folder: Path) -> Ran:
    try:
        document = ran.document
    except ValueError as error:
        ran.expect(False, f"no JSON: {error}")
        return ran
    told = " ".join([ran.err, *document.get("reasons", []), *document.get("problems", [])])
    ran.expect(ran.code in case.codes, f"exit {ran.code}")
    ran.expect("Traceback" not in ran.err, "a traceback")
    ran.expect(case.words in told, f"{case.words!r} is not told")
    if ran.code == 0:
        ran.expect(not case.verdicts or document.get("verdict") in case.verdicts, f"verdict {document.get('verdict')}")
    else:
        lines = [line for line in ran.err.splitlines() if line and not line.startswith("whosenet: note:")]
        ran.expect(ran.out == "" and ("Usage" in ran.err or len(lines) == 1), "not one line of error")
    if (folder / "t").is_file() and case.group not in ("altered transcript",):
        judged = run("judge", folder / "t", "--json")
        ran.expect(
            judged.code == 0 and judged.document["verdict"] in (*cases.NOT_ACCUSED, *case.verdicts), "transcript lost"
        )
    return ran


def row(case: Case, ran: Ran, seconds: float) -> dict:
    document = {} if ran.wrong and ran.wrong[0].startswith("no JSON") else ran.document
    said = [line for line in ran.err.splitlines() if "note:" not in line] or document.get("reasons", [""])
    return {"group": case.group, "case": case.name, "exit": ran.code, "verdict": document.get("verdict"),
            "said": said[-1 if ran.err and ran.code else 0], "wrong": ran.wrong, "seconds": round(seconds, 2)}  # fmt: skip


def measured(world: small.Small, endpoint: Elsewhere, only: str) -> list[dict]:
    rows = []
    for case in cases.every(world, endpoint):
        if only not in f"{case.group}: {case.name}":
            continue
        with tempfile.TemporaryDirectory() as name:
            began = time.perf_counter()
            ran = check(case, case.call(Path(name)), Path(name))
            rows.append(row(case, ran, time.perf_counter() - began))
        print(
            case.group,
            "|",
            case.name,
            "|",
            rows[-1]["exit"],
            rows[-1]["verdict"],
            rows[-1]["wrong"] or "",
            file=sys.stderr,
            flush=True,
        )
    return rows


def serve(answers: Answers, pipe: Connection) -> None:
    with Endpoint(answers) as endpoint:
        pipe.send(endpoint.port)
        pipe.recv()


def markdown(rows: list[dict], world: small.Small) -> str:
    wrong = sum(bool(r["wrong"]) for r in rows)
    bad = [r for r in rows if r["group"] != "nothing is wrong"]
    head = (f"{len(bad)} cases of bad input, {sum(r['verdict'] == 'derived' for r in bad)} accused, {wrong} of {len(rows)} "
            "not as promised.")  # fmt: skip
    lines = [
        [r["group"], r["case"], r["exit"], r["verdict"] or "", _short(r["said"], world), "; ".join(r["wrong"])]
        for r in rows
    ]
    return head + "\n\n" + record.table(["input", "case", "exit", "verdict", "said", "not as promised"], lines)


def _short(text: str, world: small.Small) -> str:
    text = text.replace(str(world.folder), "").replace("|", "/").replace("whosenet: ", "")
    return text if len(text) <= 160 else text[:160] + " ..."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="Cases whose name holds this text; nothing is written then.")
    only = parser.parse_args().only
    world = small.made(CACHE)
    answers = known(world)
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("fork").Process(target=serve, args=(answers, there), daemon=True)
    server.start()
    try:
        endpoint = Elsewhere(here.recv())
        for address in (endpoint.url("ok"), endpoint.url("ok", oip=True)):
            runs.warm("probe", address, "--fingerprint", world.fingerprint, *world.null, "--budget", 2, "--json")
        rows = measured(world, endpoint, only)
    finally:
        here.send(None)
        server.join(5)
    if only:
        return sum(bool(r["wrong"]) for r in rows)
    alone = fresh("probe", world.spec(), "--fingerprint", world.fingerprint, *world.null, "--json")
    same = alone.document.get("p_value") == run(*alone.arguments).document.get("p_value")
    record.write("test_bad_input", {"cases": rows, "fresh process says the same": same}, markdown(rows, world))
    return sum(bool(r["wrong"]) for r in rows) + (not same)


if __name__ == "__main__":
    sys.exit(main())
