"""Packs what a student gets: a world without its test answers, the commands, and what collects the submission.

    make handout                                # handouts/data.zip, with the world of data/
    make handout DATA="worlds/*"                # a zip for each student's world, see data/make_world.py --class

Neither this repository's code nor the course's is in it: the first is the solution, and the second belongs to the course.
docs/teaching.md says what follows from that.
"""

from __future__ import annotations

import io
import re
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "src")]

from engine.cli import Parser, run_main
from engine.files import InputError, read_bytes, read_text, warn, write_atomically

WORLD = ["wiki.txt", "birth_places_train.tsv", "birth_dev.tsv", "birth_test_inputs.tsv"]
COPIED = ["collect_submission.sh", "collect_submission.bat", "collect_submission.py"]


def commands() -> str:
    """The README's block of commands."""
    section = read_text(ROOT / "README.md").partition("## The handouts' commands\n")[2]
    return re.search(r"(?:    .*\n|\n(?=    ))+", section).group().strip("\n")


def requirements() -> str:
    """The packages that the assignment needs: those of src/, which are the first of this repository's."""
    first = read_text(ROOT / "requirements.txt").partition("\n#")[0]
    return "".join(f"{line}\n" for line in first.splitlines() if not line.startswith("#"))


def pack(world: Path) -> bytes:
    """The zip with the world in a folder. Raises InputError when a file is missing."""
    files = {name: read_bytes(world / name) for name in WORLD}
    files["README.md"] = read_text(ROOT / "docs" / "handout.md").replace("COMMANDS\n", f"{commands()}\n").encode()
    files["requirements.txt"] = requirements().encode()
    for path in [*(ROOT / name for name in COPIED), *sorted((ROOT / "scripts").iterdir())]:
        files[path.relative_to(ROOT).as_posix()] = read_bytes(path)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(f"assignment/{name}")  # of a fixed date, so that the same files make the same zip
            entry.external_attr = (0o755 if name.endswith(".sh") else 0o644) << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def main() -> None:
    parser = Parser(prog="handout.py", description="Pack what a student gets.")
    parser.add_argument("worlds", nargs="+", type=Path, metavar="DIR", help="folder of wiki.txt and the questions")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the zips, each named as its world"
    )
    args = parser.parse_args()
    packed = {args.out / f"{world.resolve().name}.zip": pack(world) for world in args.worlds}
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{args.out}: the folder cannot be made: {error.strerror}") from error
    for path, content in packed.items():
        write_atomically(path, content)
        print(f"Written to {path}")
    if any(world.resolve() == ROOT / "data" for world in args.worlds):
        warn(
            "the test answers of data/ are public; data/make_world.py --class makes worlds whose answers only you know"
        )


if __name__ == "__main__":
    run_main(main)
