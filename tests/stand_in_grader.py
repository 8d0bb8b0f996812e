"""Takes the grader's place in test_grade_class.py: a grade that depends on what it was given, and the faults of a grader.

What it does is written in the file `behaviour` of the submission (a folder); it notes each call in the file CALLS.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser()
for name in ("--submission", "--grade_json", "--data", "--answers"):
    parser.add_argument(name, type=Path)
parser.add_argument("--handout", type=int)
parser.add_argument("--edition", choices=["7/8", "3/4"], required=True)
args = parser.parse_args()

with open(os.environ["CALLS"], "a", encoding="utf-8") as calls:
    calls.write(f"{args.submission.name}\n")
behaviour = (args.submission / "behaviour").read_text() if (args.submission / "behaviour").exists() else "fine"
if behaviour == "crash":
    print("Traceback: the grader has a fault")
    os._exit(3)
if behaviour == "not locked in":
    sys.path.insert(0, str(Path(__file__).parent))
    from autograder.plugin import NOT_LOCKED_IN

    print(f"{NOT_LOCKED_IN}: no namespaces")
if behaviour == "hang":
    time.sleep(1000)
if behaviour == "garbage":
    args.grade_json.write_text('{"parts": 7')
    sys.exit()
if behaviour == "incomplete":
    args.grade_json.write_text('{"parts": [], "points": 3}')
    sys.exit()

seen = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in args.data.iterdir() if path.is_file()}
asked = (args.data / "birth_test_inputs.tsv").read_text("utf-8").splitlines()
known = [line.split("\t")[0] for line in args.answers.read_text("utf-8").splitlines()] if args.answers else []
lost = (
    [{"check": "c", "points": 1.5, "reason": "=HYPERLINK(1)\n, your angles start at t = 1"}]
    if behaviour == "fault"
    else []
)
parts = [{"part": "d", "points": 5, "possible": 5, "lost": []},
         {"part": "g", "points": 8 - sum(l["points"] for l in lost), "possible": 8, "lost": lost}]  # fmt: skip
grade = {"submission": str(args.submission), "handout": args.handout or 4, "parts": parts, "seconds": 1.25,
         "points": sum(part["points"] for part in parts), "possible": 13, "checks": {"c": "passed"},
         "predictions_sha256": {}, "parameters_sha256": {}, "data": seen, "answers_match": known == asked}  # fmt: skip
args.grade_json.write_text(json.dumps(grade))
sys.exit(1 if lost else 0)
