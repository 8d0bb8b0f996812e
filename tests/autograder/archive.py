"""A submission, from the zip or folder that was handed in to files in a folder of the grader's. Nothing in it is run."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

MOST_FILES, MOST_BYTES = 2000, 2 << 30
MOST_CODE = 4 << 20  # bytes of one file that the student's code may need
SKIPPED = {
    "__pycache__",
    "__MACOSX",
    "expt",
    "node_modules",
    "site-packages",
}  # folders; those with a dot in front, too
BINARY = (".params", ".predictions", ".zip", ".state", ".previous")

BOTH = ["vanilla.model.params", "vanilla.nopretrain.dev.predictions", "vanilla.nopretrain.test.predictions",
        "vanilla.finetune.params", "vanilla.pretrain.dev.predictions", "vanilla.pretrain.test.predictions"]  # fmt: skip
LISTED = {
    4: [*BOTH, "london_baseline_accuracy.txt", "rope.finetune.params", "rope.pretrain.dev.predictions",
        "rope.pretrain.test.predictions"],
    5: [*BOTH, "synthesizer.finetune.params", "synthesizer.pretrain.dev.predictions",
        "synthesizer.pretrain.test.predictions"],
}  # fmt: skip


class Refused(Exception):
    """This is not graded. The message is one line that says why."""


@dataclass
class Submission:
    """Files of a submission, in a folder that belongs to the grader."""

    name: str
    folder: Path  # the top of the submission
    code: str  # the folder of the modules, below the top: "src", or "." if the modules lie at the top
    found: dict[str, Path] = field(default_factory=dict)  # the files that a handout lists, by name

    def source(self, name: str) -> str:
        """The text of a file of the code; empty if there is none."""
        path = self.folder / self.code / name
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    @cached_property
    def tree(self) -> dict[str, Path]:
        """What the student's code may need: its files and others that are small. Path below the top -> file."""
        files = {str(path.relative_to(self.folder)): path for path in sorted(self.folder.rglob("*")) if path.is_file()}
        return {
            name: path
            for name, path in files.items()
            if not name.endswith(BINARY)
            and not path.name.startswith(("birth", "wiki.txt"))
            and path.stat().st_size < MOST_CODE
        }

    @cached_property
    def digest(self) -> str:
        """Of the code: equal for submissions that behave in the same way."""
        total = hashlib.sha256()
        for name, path in self.tree.items():
            if not name.endswith(".txt"):
                total.update(f"{name}\0{sha256(path)}\0".encode())
        return total.hexdigest()

    def handout(self) -> int | None:
        """4 or 5, as the files tell; None if they do not."""
        complete = [number for number, names in LISTED.items() if all(name in self.found for name in names)]
        only = {4: {"rope", "london_baseline_accuracy"}, 5: {"synthesizer"}}
        begun = [n for n, words in only.items() if any(name.split(".")[0] in words for name in self.found)]
        named = [
            int(digit)
            for digit in re.findall(r"(?<![a-z])(?:assignment|a)_?([45])(?!\d)", Path(self.name).name.lower())
        ]
        text = self.source("attention.py")
        written = [n for n, word in ((4, "precompute_rotary_emb"), (5, "SynthesizerAttention")) if word in text]
        for choice in (complete, begun, named, written):
            if len(set(choice)) == 1:
                return choice[0]
        return None


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_submission(path: Path, target: Path) -> Submission:
    """Copies the files of a zip or folder into the new folder `target`. Raises Refused."""
    target.mkdir(parents=True)
    if path.is_dir():
        copy_folder(path, target)
    elif not path.exists():
        raise Refused(f"{path}: no such file or folder")
    elif zipfile.is_zipfile(path):
        try:
            unpack(path, target)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            NotImplementedError,
            OSError,
            ValueError,
            RuntimeError,
        ) as error:
            raise Refused(f"{path}: the zip is damaged ({' '.join(str(error).split())[:200]})") from error
    else:
        raise Refused(f"{path}: neither a folder nor a zip")
    return arrange(str(path), target)


def is_skipped(parts: tuple[str, ...]) -> bool:
    """Whether a file of that path is no part of a submission: caches, version control, what macOS adds."""
    return any(part in SKIPPED or part.startswith(".") for part in parts)


def copy_folder(path: Path, target: Path) -> None:
    """Copies a folder, without following links. Raises Refused when there is too much, or a link."""

    def files(folder: Path) -> Iterator[Path]:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            inside = Path(entry.path)
            if is_skipped((entry.name,)) or entry.is_dir() and (inside / "pyvenv.cfg").exists():
                continue
            if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
                raise Refused(f"{path}: {inside.relative_to(path)} is a link, or no ordinary file")
            yield from files(inside) if entry.is_dir() else [inside]

    count = size = 0
    for file in files(path):
        count, size = count + 1, size + file.stat().st_size
        check_amount(path, count, size)
        copy = target / file.relative_to(path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy, follow_symlinks=False)


def check_amount(path: Path, count: int, size: int) -> None:
    if count > MOST_FILES:
        raise Refused(f"{path}: holds more than {MOST_FILES:,} files")
    if size > MOST_BYTES:
        raise Refused(f"{path}: holds more than {MOST_BYTES >> 30} GB when it is unpacked")


def unpack(path: Path, target: Path) -> None:
    """Unpacks a zip. Raises Refused when it holds too much, links, or paths that lead out of it."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        check_amount(path, len(entries), sum(entry.file_size for entry in entries))
        seen: set[str] = set()
        for entry in entries:
            name = entry.filename.replace("\\", "/")
            parts = PurePosixPath(name).parts
            if (
                name.startswith("/")
                or re.match(r"[A-Za-z]:", name)
                or ".." in parts
                or not name.isprintable()
                or not parts
            ):
                raise Refused(f"{path}: the path {ascii(entry.filename)[:100]} leads out of the zip")
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise Refused(f"{path}: {ascii(name)[:100]} is a link, or no ordinary file")
            if str(PurePosixPath(name)).lower() in seen and not entry.is_dir():
                raise Refused(f"{path}: holds {ascii(name)[:100]} twice")
            seen.add(str(PurePosixPath(name)).lower())
        size = 0
        for entry in entries:
            inside = PurePosixPath(entry.filename.replace("\\", "/"))
            if entry.is_dir() or is_skipped(inside.parts):
                continue
            copy = target / inside
            copy.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, open(copy, "wb") as out:
                while piece := source.read(1 << 20):  # the sizes in the zip may be lies
                    size += len(piece)
                    check_amount(path, 0, size)
                    out.write(piece)


def arrange(name: str, folder: Path) -> Submission:
    """Finds the code and the listed files, which may lie below one or two folders. Raises Refused without any."""
    files = sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: (len(p.parts), str(p)))
    code = [p.parent for p in files if p.name == "dataset.py" and (p.parent / "run.py").exists()]
    code += [p.parent for p in files if p.name in ("dataset.py", "run.py", "attention.py")]
    listed = {p.name: p for p in reversed(files) if p.name in {*LISTED[4], *LISTED[5], "vanilla.pretrain.params"}}
    if not code and not listed:
        raise Refused(f"{name}: holds neither the code (src/dataset.py) nor any file that the handouts list")
    place = code[0] if code else next(iter(listed.values())).parent / "src"
    top = place.parent if place.name == "src" and place != folder else place
    return Submission(name, top, str(place.relative_to(top)), listed)
