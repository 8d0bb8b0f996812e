"""Files are read and written here: found, decoded, described in a log, and written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).resolve().parent.parent.parent  # the repository
# assignment 5 spells this name in two ways; both have to work.
# How the documents of a corpus are told apart (documents.py); AUTO finds out.
FORMS = {"lines": "one a line", "paragraphs": "one a paragraph", "files": "one a file", "json": "one a JSON object"}
AUTO = "auto"
TEXT = ".txt"  # ends the names of a folder's documents
SPELLINGS = {"birthplaces_train.tsv": "birth_places_train.tsv"}


class InputError(ValueError):
    """The user's input is wrong. The message is one line: which file, line or flag is wrong, and what to do."""


def is_main_process() -> bool:
    """Whether this is the only process, or the first of those that torchrun has started. Known before they connect."""
    return os.environ.get("RANK", "0") == "0"


def warn(text: str) -> None:
    """One line on stderr about what can go on but is probably not meant. Of several processes, the first says it."""
    if is_main_process():
        print(f"warning: {text}", file=sys.stderr)


def reason(error: BaseException) -> str:
    """The text of an error in one line, without the number and the path that an OSError adds."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())


@contextlib.contextmanager
def naming_file(path: Path | str) -> Iterator[None]:
    """Puts the name of the file in front of any InputError raised inside: "line 3: ..." -> "wiki.txt, line 3: ..."."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}{', ' if str(error).startswith('line ') else ': '}{error}") from error


def find_corpus(name: str) -> Path:
    """The file that `name` means. It is looked for as typed, then at the top of the repository, where students put the
    course's files, then in `data/`, which has the embedded corpus.

    Raises InputError when there is no such file.
    """
    candidates = [Path(name)]
    if not Path(name).is_absolute():
        for spelling in dict.fromkeys((name, SPELLINGS.get(name, name))):
            candidates += [Path(spelling), ROOT / spelling, ROOT / "data" / spelling]
    for candidate in candidates:
        if os.path.exists(candidate):  # Path.exists would raise for a name with a NUL in it
            return candidate
    raise InputError(f"{name}: no such file, neither as typed nor in {ROOT} or {ROOT / 'data'}")


def read_bytes(path: Path | str) -> bytes:
    """The content of a file. Raises InputError when it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {reason(error)}") from error


def read_text(path: Path | str) -> str:
    """The text of a UTF-8 file, with all line ends turned into newlines. Raises InputError when it cannot be read."""
    content = read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: not UTF-8 text ({error.reason}); save the file as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def text_files(folder: Path | str) -> list[Path]:
    """The .txt files of a folder, by name. Hidden ones are left out. Raises InputError when the folder cannot be read."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {reason(error)}") from error
    files = [Path(folder, name) for name in names if name.lower().endswith(TEXT) and not name.startswith(".")]
    return [file for file in files if file.is_file()]


def digest(path: Path | str) -> str:
    """The SHA-256 of a file, in hexadecimal; of a folder, that of the names and digests of its .txt files."""
    if os.path.isdir(path):
        lines = [os.fsencode(file.name) + f"\0{digest(file)}\n".encode() for file in text_files(path)]
        return hashlib.sha256(b"".join(lines)).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(path: Path | str) -> str:
    """Path, size and digest of a file or a folder, so that a log says which data a run has read."""
    if os.path.isdir(path):
        sizes = [file.stat().st_size for file in text_files(path)]
        return f"{path} ({len(sizes):,} files, {sum(sizes):,} bytes, sha256 {digest(path)[:8]})"
    return f"{path} ({Path(path).stat().st_size:,} bytes, sha256 {digest(path)[:8]})"


@contextlib.contextmanager
def temporary_beside(path: Path | str) -> Iterator[str]:
    """Creates an empty temporary file in the folder of `path`; removes it at the end unless it was renamed.

    Raises InputError when no file can be written at `path`.
    """
    target = os.path.realpath(path)
    if os.path.isdir(target) or str(path).endswith(("/", os.sep)):
        raise InputError(f"{path}: is a folder; name a file in it")
    if os.path.exists(target) and not os.path.isfile(target):
        raise InputError(f"{path}: is no ordinary file")
    temporary = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.{os.getpid()}.tmp")
    try:
        open(temporary, "wb").close()
        yield temporary
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {reason(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def check_writable(path: Path | str, *inputs: Path | str | None) -> None:
    """Raises InputError unless a file can be written at `path` and `path` is none of `inputs`, nor would be a document of
    one that is a folder. Writes nothing."""
    with temporary_beside(path):
        pass
    folder, name = os.path.split(os.path.realpath(path))
    for source in filter(None, inputs):
        if os.path.isdir(source) and os.path.samefile(folder, source) and name.lower().endswith(TEXT):
            raise InputError(f"{path}: would be read as a document of the corpus {source}; name another file")
        if os.path.exists(path) and os.path.exists(source) and os.path.samefile(path, source):
            raise InputError(f"{path}: would overwrite the input; name another file")


def write_and_sync(file: BinaryIO, content: bytes | memoryview) -> None:
    """Writes and waits for the disk. Without the wait, a power cut could leave an empty file under the final name."""
    file.write(content)
    file.flush()
    os.fsync(file.fileno())


def write_atomically(path: Path | str, content: bytes | memoryview, previous: Path | str | None = None) -> None:
    """Writes a temporary file beside `path`, then renames it, so that `path` never holds half of it.

    The file that `path` named before is kept as `previous`, if that is given.
    Raises InputError when the file cannot be written.
    """
    target = os.path.realpath(path)
    with temporary_beside(path) as temporary:
        with open(temporary, "wb") as file:
            write_and_sync(file, content)
        if previous and os.path.exists(target):
            os.replace(target, previous)
        os.replace(temporary, target)


def write_text(path: Path | str, text: str) -> None:
    """Writes a text as UTF-8. In a path, bytes that are not UTF-8 become \\udcff and the like, as JSON spells them."""
    write_atomically(path, text.encode(errors="backslashreplace"))


def write_lines(path: Path | str, lines: Sequence[str]) -> None:
    """Writes one line for each string, as UTF-8."""
    write_text(path, "".join(line + "\n" for line in lines))
