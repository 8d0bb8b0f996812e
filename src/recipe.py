"""The recipes: all that can be chosen about a training run, apart from the data, the variant and the seed.

Printed when a run begins, and saved with its parameters. Flags of run.py override single values.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """How to train once: pretraining, or finetuning. Rates are peaks; the decay is `optimizers.lr_factor`'s."""

    epochs: int
    batch_size: int
    lr: float
    muon_lr: float = 0.0  # for the weights of the linear layers in the blocks; 0: they have no rate of their own
    lr_floor: float = 0.1  # share of the peak below which the rate does not fall
    linear_decay: bool = False  # to the floor at the end, rather than along a cosine
    warmup_tokens: int = 512 * 20
    # The decay is laid out for that many passes through the corpus, padding counted; None: for the run as it is.
    horizon_epochs: int | None = None
    weight_decay: float = 0.1
    dropout: float = 0.1
    cloze_share: float = 0.0  # of the documents that become `dataset.ClozeDataset`'s views; the others are corrupted
    views: int = 0  # in finetuning, documents that are read on with each question; batch_size counts questions only
    answer_weight: float = 1.0  # how much likelier these views ask for a name that has answered one of the questions


@dataclass(frozen=True)
class Recipe:
    """Three ways to train: before any question, on questions after that, and on questions from scratch."""

    pretrain: Phase
    finetune: Phase
    scratch: Phase


RECIPES = {
    # The handouts', parts d and f. The horizon of both finetunings is published as 200 passes through the corpus. The
    # warm-up is published as 512 * 20 everywhere. As tokens, that is not two batches of pretraining, and 6e-3 ruins
    # vanilla in them (docs/LOG.md). So there it counts sequences: minGPT's 20 batches of 512, of 128 tokens each.
    "handout": Recipe(
        pretrain=Phase(epochs=650, batch_size=128, lr=6e-3, horizon_epochs=650, warmup_tokens=512 * 20 * 128),
        finetune=Phase(epochs=10, batch_size=256, lr=6e-4, horizon_epochs=200),
        scratch=Phase(epochs=75, batch_size=256, lr=6e-4, horizon_epochs=200),
    ),
    # Many small views of each document, and Muon. Facts are stored while the rates fall, and to raise them again for the
    # questions costs facts (docs/LOG.md). So there is one fall, and pretraining is the first 60 % of it; finetuning goes
    # on from there, and goes on reading.
    "fast": Recipe(
        pretrain=Phase(epochs=60, batch_size=192, lr=2e-3, muon_lr=2e-2, lr_floor=0.4, linear_decay=True,
                       warmup_tokens=200_000, weight_decay=0.0, dropout=0.0, cloze_share=1.0),
        finetune=Phase(epochs=3, batch_size=8, lr=8e-4, muon_lr=8e-3, lr_floor=0.0, linear_decay=True,
                       warmup_tokens=50_000, weight_decay=0.0, dropout=0.0, cloze_share=1.0, views=20,
                       answer_weight=6.0),
        scratch=Phase(epochs=75, batch_size=256, lr=6e-4, horizon_epochs=200),
    ),
}  # fmt: skip
