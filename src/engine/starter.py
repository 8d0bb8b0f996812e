"""What programs written for the course's starter code rely on, apart from names and arguments."""

from __future__ import annotations

from dataclasses import fields
from functools import wraps
from typing import Any

from engine.files import warn


def accept_any_keyword(config: type) -> type:
    """A decorator for a dataclass: its constructor accepts any keyword, as the starter's GPTConfig and TrainerConfig do,
    and keeps the unknown ones as attributes. It warns of them, because nothing here reads them."""
    known, init = {field.name for field in fields(config)}, config.__init__

    @wraps(init)
    def with_any_keyword(self: Any, *arguments: Any, **named: Any) -> None:
        unknown = {name: named.pop(name) for name in sorted(named.keys() - known)}
        init(self, *arguments, **named)
        vars(self).update(unknown)
        if unknown:
            warn(f"{config.__name__}: nothing reads {', '.join(unknown)}")

    config.__init__ = with_any_keyword
    return config
