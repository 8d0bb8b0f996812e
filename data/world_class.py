"""A world of their own for each student of a class, so that nobody can copy answers.

The seed of a student's world is a keyed hash (HMAC, RFC 2104) of the student's name or number, with a secret of the teacher
as the key. With the secret, the teacher makes the same world again and so knows its test answers. Without it, nobody can:
this generator is public, but a seed cannot be guessed.
"""

import csv
import hashlib
import hmac
import io
import re
import unicodedata
from pathlib import Path

# Headings of the column that identifies a student, the best first. A first line without any of them is a student.
ID_COLUMNS = ("id", "student id", "sid", "login", "username", "email", "name", "student", "full name", "student name")
LEAST_SECRET = 16  # bytes; a shorter secret can be found by trying, because a student knows a world that it makes


def normalize(student: str) -> str:
    """A name as it is hashed: two ways of typing the same letters, or the same spaces, do not make two students."""
    return " ".join(unicodedata.normalize("NFC", student).split())


def read_class(path: Path) -> list[str]:
    """The students of a CSV file (separated by commas, semicolons or tabs): what is in the column that a header calls "id",
    "email" or "name", for example (see ID_COLUMNS), or without a header in the first column.

    Raises ValueError, naming the file and the line, when a student is missing or is there twice; OSError when the file
    cannot be read.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is not UTF-8 text; save it as CSV in UTF-8") from None
    first = text.lstrip().partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: is not CSV: {error}") from None
    column = 0
    if rows:
        headings = [normalize(cell).lower().replace("_", " ") for cell in rows[0][1]]
        if known := [heading for heading in ID_COLUMNS if heading in headings]:
            column, rows = headings.index(known[0]), rows[1:]
    lines: dict[str, int] = {}
    for line, row in rows:
        student = normalize(row[column]) if column < len(row) else ""
        if not student:
            raise ValueError(f"{path}, line {line}: has no student in column {column + 1}")
        if student in lines:
            problem = f"{student!r} is on line {lines[student]} too"
            raise ValueError(f"{path}, line {line}: {problem}; column {column + 1} has to tell all students apart")
        lines[student] = line
    if not lines:
        raise ValueError(f"{path}: has no students; write one a line")
    return list(lines)


def read_secret(path: Path) -> bytes:
    """The teacher's secret. Raises ValueError when it is too short, OSError when the file cannot be read."""
    secret = path.read_bytes().strip()
    if len(secret) < LEAST_SECRET:
        make = 'python -c "import secrets; print(secrets.token_hex())"'
        raise ValueError(f"{path}: a secret has at least {LEAST_SECRET} characters; `{make}` prints one")
    return secret


def student_seed(secret: bytes, student: str) -> int:
    """The seed of a student's world."""
    return int.from_bytes(hmac.digest(secret, normalize(student).encode(), "sha256")[:16], "big")


def folder_name(student: str) -> str:
    """A name for a student's folder, safe on every system and different for each student: "Zoë O'Hara" -> the ASCII letters
    and digits of the name, then ten digits of its hash, `zoe-o-hara-` and so on."""
    student = normalize(student)
    ascii_text = unicodedata.normalize("NFKD", student).encode("ascii", "ignore").decode().lower()
    readable = re.sub(r"[^a-z0-9]+", "-", ascii_text).strip("-")[:40].strip("-")
    digest = hashlib.sha256(student.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{readable or 'student'}-{digest}"
