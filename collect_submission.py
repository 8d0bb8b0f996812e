"""Zips what a handout wants submitted, to be uploaded to GradeScope.

    sh collect_submission.sh          on Windows: collect_submission.bat
    sh collect_submission.sh 4        only assignment 4 (handout 000, with RoPE); or 5 (handout 001, with the synthesizer)

It writes assignment4.zip or assignment5.zip: the one whose files are complete, or both. It needs nothing but Python, and
packs any code in src/, whoever wrote it.
"""

import os
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
COMMON = [
    "vanilla.model.params", "vanilla.nopretrain.dev.predictions", "vanilla.nopretrain.test.predictions",
    "vanilla.finetune.params", "vanilla.pretrain.dev.predictions", "vanilla.pretrain.test.predictions",
]  # fmt: skip
OWN = {
    "4": ["london_baseline_accuracy.txt",
          "rope.finetune.params", "rope.pretrain.dev.predictions", "rope.pretrain.test.predictions"],
    "5": ["synthesizer.finetune.params", "synthesizer.pretrain.dev.predictions", "synthesizer.pretrain.test.predictions"],
}  # fmt: skip


def find_code() -> list:
    """The code that is submitted, relative to ROOT: all of src/, and the baseline, which may be in src/ or beside it."""
    found = [path for pattern in ("*.py", "*.j2") for path in (ROOT / "src").rglob(pattern)]
    code = sorted(path.relative_to(ROOT).as_posix() for path in found if path.is_file() and not path.is_symlink())
    return code + ([] if "src/london_baseline.py" in code else ["london_baseline.py"])


def find_missing(assignment: str) -> list:
    """The files of an assignment that are not there."""
    code = find_code()
    missing = [] if any(name.startswith("src/") for name in code) else ["src/*.py"]
    return missing + [name for name in code + COMMON + OWN[assignment] if not (ROOT / name).is_file()]


def collect(assignment: str) -> None:
    """Writes the zip of an assignment. It is renamed when complete, so that there is never half a zip to upload."""
    target = ROOT / f"assignment{assignment}.zip"
    unfinished = ROOT / f".{target.name}.{os.getpid()}.tmp"
    names = find_code() + COMMON + OWN[assignment]
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.write(ROOT / name, name)
        os.replace(unfinished, target)
    finally:
        if unfinished.exists():
            unfinished.unlink()
    print(f"Written to {target}:", *(f"  {name}" for name in names), sep="\n")


def main() -> int:
    """Returns the exit code."""
    chosen = sys.argv[1:]
    if len(chosen) > 1 or not set(chosen) <= set(OWN):
        print("usage: collect_submission [4|5]", file=sys.stderr)
        return 2
    complete = [assignment for assignment in chosen or OWN if not find_missing(assignment)]
    for assignment in complete:
        collect(assignment)
    if complete:
        return 0
    begun = [assignment for assignment in OWN if any((ROOT / name).exists() for name in OWN[assignment])]
    for assignment in chosen or begun or OWN:
        print(f"collect_submission: assignment{assignment}.zip is not written, these files are missing in {ROOT}:",
              *(f"  {name}" for name in find_missing(assignment)), sep="\n", file=sys.stderr)  # fmt: skip
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        print(f"collect_submission: {error.filename}: cannot be read or written: {error.strerror}", file=sys.stderr)
        sys.exit(2)
