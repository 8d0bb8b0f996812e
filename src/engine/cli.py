"""Command lines: errors in one line, and the types of flags."""

from __future__ import annotations

import argparse
import difflib
import math
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from engine.files import InputError
from vocabulary import MASK_CHAR, PAD_CHAR


def run_main(main: Callable[[], object]) -> None:
    """Runs a command line. An InputError becomes one line on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        # The default encoding of Windows lacks the mask character, and a file name may hold bytes that are not UTF-8.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        main()
    except InputError as error:
        print(f"{Path(sys.argv[0]).name}: error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{Path(sys.argv[0]).name}: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the program that reads the output has ended, `head` for instance
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line, and name the nearest word or flag when one was mistyped."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, allow_abbrev=False, **named)

    @property
    def command(self) -> str:
        """The name of a subparser: "pretrain" of "run.py pretrain"."""
        return self.prog.split()[-1]

    def subparsers(self) -> list[Parser]:
        """The parsers of the commands, if there are any."""
        return [*self._subparsers._group_actions[0].choices.values()] if self._subparsers else []

    def parse_args(self, *arguments, **named) -> argparse.Namespace:
        for parser in self.subparsers():
            parser.siblings = self.subparsers()
        args, unknown = self.parse_known_args(*arguments, **named)
        if unknown and hasattr(args, "questions") and not any(word.startswith("-") for word in unknown):
            args.questions, unknown = args.questions + unknown, []  # argparse takes no more words after the flags
        if unknown:
            chosen = [parser for parser in self.subparsers() if parser.command == getattr(args, "function", None)]
            (chosen or [self])[0].error(f"unrecognized arguments: {' '.join(unknown)}")
        for name, value in vars(args).items():
            if value == [] and name != "questions":  # Python 3.11 makes this of --flag=--
                self.error(f"argument --{name}: expected one argument")
        return args

    def parse_known_args(self, args=None, namespace=None):
        """Checks the flags first: argparse would rather say that a flag is missing than that it was mistyped."""
        words = sys.argv[1:] if args is None else list(args)
        if not self._subparsers:
            for word in words[: words.index("--")] if "--" in words else words:
                flag = word.partition("=")[0]
                if re.match(r"--|-[^\W\d]\w", flag) and flag not in self._option_string_actions:
                    self.error(self.about_unknown(flag))
        return super().parse_known_args(words, namespace)

    def about_unknown(self, flag: str) -> str:
        """What to say of a flag that this parser does not have."""
        if any(flag in parser._option_string_actions for parser in getattr(self, "siblings", ())):
            return f"{self.command} has no use for {flag}"
        flags = [name for name in self._option_string_actions if name.startswith("--")]
        near = [name for name in flags if flag.strip("-") in name] or difflib.get_close_matches(flag, flags, n=1)
        return f"unrecognized arguments: {flag}" + (f"; did you mean {near[0]}?" if near else "")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Adds the nearest choice to argparse's message."""
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            near = difflib.get_close_matches(str(value), [str(choice) for choice in action.choices], n=1)
            error.message += f"; did you mean {near[0]!r}?" if near else ""
            raise

    def error(self, message: str) -> NoReturn:
        message = " ".join(message.split())
        if " " in self.prog:  # of a command
            message = message.replace("the following arguments are required: ", f"{self.command} needs ")
        self.exit(2, f"{self.prog.split()[0]}: error: {message}; see {self.prog} --help\n")


def bounded(kind: type, least: float, most: float = math.inf) -> Callable[[str], float]:
    """The type of a flag: a number of that kind, from `least` to `most`, both included."""

    def parse(text: str) -> float:
        value = kind(text)
        if not least <= value <= most or value == math.inf:
            limits = f"at least {least}" if most >= 10**9 else f"between {least} and {most}"
            raise argparse.ArgumentTypeError(f"{text} is not {limits}")
        return value

    parse.__name__ = kind.__name__  # argparse names it when `kind` refuses the text
    return parse


def nonempty_path(text: str) -> str:
    """The type of a flag: a path. An empty one comes from a shell variable that was never set."""
    if not text:
        raise argparse.ArgumentTypeError("is empty")
    return text


def plain_name(text: str) -> str:
    """The type of a flag: the name of a folder, not a path."""
    plain = os.path.basename(text) == text and text not in ("", ".", "..")
    if not plain or not text.isprintable():  # TensorBoard cannot write a name with bytes that are not UTF-8
        raise argparse.ArgumentTypeError(f"{text!r} is not a plain name")
    return text


def symbols(text: str) -> str:
    """The type of a flag: characters, each once and in order. The mask and the pad character have a meaning already."""
    if not text or not text.isprintable() or {PAD_CHAR, MASK_CHAR} & set(text):
        raise argparse.ArgumentTypeError(f"{text!r} are not characters that text can have")
    return "".join(sorted(set(text)))
