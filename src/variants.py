"""The variants of the model. To add one, write its attention in attention.py and a line here.

Nothing heavy is imported, so that `run.py --help` can list the variants at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name


@dataclass(frozen=True)
class Variant:
    """What distinguishes a variant."""

    attention: str  # "module:Class"; the class takes a GPTConfig, see attention.Attention
    learned_positions: bool = True  # whether the model adds a learned vector for each position to its input

    def attention_class(self) -> type:
        """The class that `attention` names."""
        return resolve_name(self.attention)


VARIANTS = {
    "vanilla": Variant("attention:CausalSelfAttention"),
    "rope": Variant("attention:CausalSelfAttention", learned_positions=False),
    "synthesizer": Variant("attention:SynthesizerAttention"),
}
