"""The recipes: every choice in a training run apart from the data, the variant and the seed. To add one, add it to RECIPES.

A run prints its recipe when it begins, and saves it with the parameters. Flags of run.py override single values.
"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.files import InputError

if TYPE_CHECKING:
    from engine.sizes import Sizes

WIDTH = 256  # n_embd of the models that the rates below were chosen for
TOKENS_A_DOCUMENT = 128  # by which the handouts count a document, whatever its length


@dataclass(frozen=True)
class Phase:
    """One training run: pretraining, or finetuning. Rates are peaks; `optimizers.lr_factor` is their schedule."""

    epochs: int
    batch_size: int
    lr: float
    muon_lr: float = 0.0  # for the weights of the linear layers in the blocks; 0: AdamW trains them like the rest
    min_lr_ratio: float = 0.1  # the rate does not decay below this ratio of its peak
    linear_decay: bool = False  # the rate decays linearly to that ratio, instead of along a cosine
    warmup_tokens: int = 512 * 20  # but at most a tenth of the decay
    # The decay takes horizon_epochs * documents of the pretraining corpus * TOKENS_A_DOCUMENT tokens, in finetuning too; None:
    # as long as the run. If it equals `epochs`, --max_epochs changes both.
    horizon_epochs: int | None = None
    weight_decay: float = 0.1
    dropout: float = 0.1
    cloze_share: float = 0.0  # share of the documents that are read as views (cloze.py); the others are span-corrupted
    # In finetuning, documents that are read with each question, as views by cloze_share; batch_size counts the questions only
    views: int = 0
    # How much more often a gap is a name that has answered a training question, and what stands where answers do (salience.py)
    answer_weight: float = 1.0
    # In finetuning, how much more often a fact is read that no training question asks for (salience.py, MixedDataset)
    unasked_weight: float = 1.0

    def __post_init__(self):
        if self.answer_weight != 1.0 and not self.cloze_share:
            raise ValueError("answer_weight has no effect without cloze_share: set it to 1.0")

    def at_width(self, n_embd: int) -> Phase:
        """The phase for a model of another width. AdamW's rate is inversely proportional to it, as muP has it for hidden and
        output matrices (Yang et al. 2022, Tensor Programs V, table 8); here one rate serves all parameters. Muon's rate stays:
        it scales each update by the shape of the matrix, which suits every width (Yang et al. 2023, A Spectral Condition for
        Feature Learning). docs/LOG.md, 2026-11-27, has what was measured."""
        return replace(self, lr=self.lr * WIDTH / n_embd)

    def record(self) -> dict[str, Any]:
        """The phase as it is saved: there, min_lr_ratio is called lr_floor, so that older files can be read."""
        return {"lr_floor" if name == "min_lr_ratio" else name: value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Recipe:
    """Pretraining, finetuning after it, and finetuning from scratch."""

    pretrain: Phase
    finetune: Phase
    scratch: Phase


RECIPES = {
    # The handouts', parts d and f. They publish the horizon of both finetunings as 200 passes through the corpus, and the
    # warm-up as 512 * 20 tokens. That is less than two batches of pretraining, in which the rate 6e-3 ruins vanilla
    # (docs/LOG.md). So the warm-up of pretraining counts sequences: minGPT's 20 batches of 512, of 128 tokens each.
    "handout": Recipe(
        pretrain=Phase(epochs=650, batch_size=128, lr=6e-3, horizon_epochs=650, warmup_tokens=512 * 20 * 128),
        finetune=Phase(epochs=10, batch_size=256, lr=6e-4, horizon_epochs=200),
        scratch=Phase(epochs=75, batch_size=256, lr=6e-4, horizon_epochs=200),
    ),
    # Many small views of each document, and Muon. Facts are stored while the rates decay, and raising the rates again for
    # finetuning loses facts (docs/LOG.md). So the rates decay once: in pretraining to 40 %, and in finetuning, which
    # continues to read, to 0.
    "fast": Recipe(
        pretrain=Phase(epochs=24, batch_size=192, lr=2e-3, muon_lr=2e-2, min_lr_ratio=0.4, linear_decay=True,
                       warmup_tokens=200_000, weight_decay=0.0, dropout=0.0, cloze_share=1.0),
        finetune=Phase(epochs=2, batch_size=8, lr=8e-4, muon_lr=8e-3, min_lr_ratio=0.0, linear_decay=True,
                       warmup_tokens=50_000, weight_decay=0.0, dropout=0.0, cloze_share=1.0, views=20,
                       answer_weight=6.0, unasked_weight=4.0),
        scratch=Phase(epochs=75, batch_size=256, lr=6e-4, horizon_epochs=200),
    ),
}  # fmt: skip
# `fast` in two thirds of its tokens, for slow machines (docs/speedrun.md). The rates decay evenly through all the tokens of both
# phases; pretraining has a fifth of them, so it ends at four fifths of its peak. Smaller batches make up for fewer passes.
RECIPES["sprint"] = Recipe(
    pretrain=replace(RECIPES["fast"].pretrain, epochs=6, batch_size=96, min_lr_ratio=0.8),
    finetune=replace(RECIPES["fast"].finetune, lr=1.6e-3, muon_lr=1.6e-2),
    scratch=RECIPES["fast"].scratch,
)
# `fast` without its views: documents are span-corrupted, in finetuning too. It is there to measure what views are worth.
RECIPES["spans"] = Recipe(
    pretrain=replace(RECIPES["fast"].pretrain, cloze_share=0.0),
    finetune=replace(RECIPES["fast"].finetune, cloze_share=0.0, answer_weight=1.0),
    scratch=RECIPES["fast"].scratch,
)


def choose_phase(args: Namespace, sizes: Sizes) -> Phase:
    """The recipe's phase (pretraining, finetuning, or finetuning from scratch) for a model of these sizes, with the values
    that flags override. Raises InputError when a flag has no effect in it."""
    name = args.function if args.function == "pretrain" or args.reading_params_path else "scratch"
    phase = getattr(RECIPES[args.recipe], name).at_width(sizes.n_embd)
    lr = args.pretrain_lr if name == "pretrain" else args.finetune_lr
    if lr is not None:  # Muon's rate changes by the same factor
        phase = replace(phase, lr=lr, muon_lr=phase.muon_lr * lr / phase.lr)
    if getattr(args, "views", None) is not None:
        phase = replace(phase, views=args.views)
    if getattr(args, "unasked_weight", None) is not None:
        if not phase.views:
            raise InputError("--unasked_weight: this training reads no documents beside the questions")
        phase = replace(phase, unasked_weight=args.unasked_weight)
    if args.max_epochs:
        horizon = args.max_epochs if phase.horizon_epochs == phase.epochs else phase.horizon_epochs
        phase = replace(phase, epochs=args.max_epochs, horizon_epochs=horizon)
    return replace(phase, batch_size=args.batch_size or phase.batch_size)
