"""The submissions in a folder: whose they are, and whether one has changed."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from world_class import folder_name

from engine.files import InputError, digest, reason


@dataclass(frozen=True)
class Submission:
    """What one student handed in."""

    path: Path
    student: str  # or the name of the file, if there is no class
    problem: str = ""  # why it cannot be graded

    @property
    def key(self) -> str:
        """The name of its files in the folder of results."""
        return folder_name(self.path.name)


def find_submissions(folder: Path, students: Sequence[str] | None) -> list[Submission]:
    """All submissions in a folder, each with its student. Raises InputError when there are none."""
    try:
        entries = sorted(path for path in folder.iterdir() if path.name[0] not in "._")  # .DS_Store, __MACOSX
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {reason(error)}") from error
    if not entries:
        raise InputError(f"{folder}: is empty; put a zip or a folder of each student there")
    found = []
    for path in entries:
        name = path.name.removesuffix(".zip") if path.is_file() else path.name
        if path.is_file() and path.suffix.lower() != ".zip":
            found.append(Submission(path, name, "is neither a zip nor a folder"))
        elif students is None:
            found.append(Submission(path, name))
        else:
            found.append(Submission(path, *match_student(name, students)))
    return found


def words(text: str) -> list[str]:
    """The words of a name without accents, in lower case: "Zoë O'Hara_a4" -> zoe, o, hara, a4."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return re.findall(r"[^\W_]+", "".join(char for char in plain if not unicodedata.combining(char)))


def match_student(name: str, students: Sequence[str]) -> tuple[str, str]:
    """The student of a submission of that name, and what is wrong if it is not clear. The words of the student, or of the
    student's folder, stand in the name; if that is so for several students, the longest match counts."""
    given = words(name)

    def length(student: str) -> int:
        variants = [v for v in (words(student), words(folder_name(student))) if v]
        return max(
            (sum(map(len, v)) for v in variants for i in range(len(given)) if given[i : i + len(v)] == v), default=0
        )

    lengths = {student: length(student) for student in students}
    longest = max(lengths.values())
    best = [student for student, n in lengths.items() if n == longest]
    if not longest:
        return name, "no student of the class is named in the name of the file"
    if len(best) > 1:
        return (
            name,
            f"its name fits several students: {', '.join(best[:3])}; name it as the folder of the student's world",
        )
    return best[0], ""


def content_digest(path: Path) -> str:
    """The SHA-256 of a file, or of a folder with the names, kinds and contents of all that is in it. Links are not
    followed."""
    if path.is_file():
        return digest(path)
    total = hashlib.sha256()
    for inside in sorted(path.rglob("*")):
        kind = "link" if inside.is_symlink() else "file" if inside.is_file() else "other"
        total.update(f"{inside.relative_to(path)}\0{kind}\0".encode("utf-8", "surrogateescape"))
        if kind == "file":
            total.update(digest(inside).encode())
    return total.hexdigest()


def unwrap(path: Path) -> Path:
    """The only zip in a folder that holds nothing else: some course servers give each student a folder."""
    if path.is_dir():
        inside = [entry for entry in path.iterdir() if entry.name[0] not in "._"]
        if len(inside) == 1 and inside[0].suffix.lower() == ".zip" and not inside[0].is_symlink():
            return inside[0]
    return path
