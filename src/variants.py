"""The variants of the model. To add one, write its attention in attention.py and a line here. tests/test_contributing.py
has ALiBi as a worked example.

Nothing heavy is imported, so that `run.py --help` can list the variants at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name


@dataclass(frozen=True)
class Variant:
    """What distinguishes a variant."""

    attention: str  # "module:Class"; the class takes a GPTConfig, see attention.Attention
    learned_positions: bool  # whether the model adds a learned vector for each position to its input

    def attention_class(self) -> type:
        """The class that `attention` names."""
        return resolve_name(self.attention)


VARIANTS = {
    "vanilla": Variant("attention:CausalSelfAttention", learned_positions=True),
    "rope": Variant("attention:CausalSelfAttention", learned_positions=False),
    "synthesizer": Variant("attention:SynthesizerAttention", learned_positions=True),
}
