"""What a run reads of a corpus: said when pretraining begins, and recorded with the parameters. Also the warnings of a run."""

from __future__ import annotations

import shlex
from argparse import Namespace
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from cloze import ClozeDataset, MixedDataset
from dataset import CharCorruptionDataset, NameDataset
from engine import checkpoint
from engine.files import warn
from engine.inputs import Questions, missing_symbols, warn_of_unreadable
from questions import warn_of_wording
from recipe import RECIPES
from wording import Wording

LITTLE = 0.5  # of the documents, or of the text


def views_of(dataset: Dataset) -> ClozeDataset | None:
    """The views in the training data, if there are any."""
    documents = dataset.documents if isinstance(dataset, MixedDataset) else dataset
    return documents if isinstance(documents, ClozeDataset) else None


def reading_of(dataset: Dataset) -> dict[str, Any] | None:
    """What is read of the documents, for the metadata; None when no document is.

    `viewable_share` is the share of the documents that are read as views, `text_share` that of the characters that are read
    at all, `rare_share` that of the characters which are rarely a gap (see ClozeDataset).
    """
    views = views_of(dataset)
    corpus = views.corpus if views else dataset
    if not isinstance(corpus, CharCorruptionDataset):
        return None
    lengths = corpus.lengths
    beyond, total = np.maximum(lengths - corpus.max_chars, 0), int(lengths.sum())
    found: dict[str, Any] = {"documents": len(corpus), "examples": len(views or corpus)}
    if views is None:
        return found | {"text_share": round(1 - int(beyond.sum()) / total, 4)}
    rare = views.viewable & ~views.is_long & (corpus.form == "lines")
    return found | {
        "viewable": views.count_viewable(),
        "viewable_share": round(views.count_viewable() / len(corpus), 4),
        "text_share": round(1 - int(beyond[~views.viewable & ~views.is_long].sum()) / total, 4),
        "rare_share": round(int(beyond[rare].sum()) / total, 4),
    }


def report_reading(reading: dict[str, Any], max_chars: int) -> None:
    """Says what will be read, and warns when it is little. `max_chars` is how much of a document span corruption reads."""
    text, total = f"{100 * reading['text_share']:.1f} % of the text", reading["documents"]
    examples = f"an epoch has {reading['examples']:,} examples"
    if "viewable" not in reading:
        print(f"Span corruption: of {total:,} documents; {examples}, from {text}")
        if reading["text_share"] < LITTLE:
            first = f"the recipe handout reads the first {max_chars} characters of a document"
            warn(f"only {text} is read, as {first}; --recipe fast reads all of it")
        return
    viewable = reading["viewable"]
    rare = (
        f", {100 * reading['rare_share']:.1f} % rarely (beyond character {max_chars})" if reading["rare_share"] else ""
    )
    print(
        f"Views: of {viewable:,} of {total:,} documents; the others are span-corrupted; {examples}, from {text}{rare}"
    )
    if viewable < LITTLE * total:
        need = "begin with a title and a full stop, colon, dash or tab, which views need"
        warn(f"only {viewable:,} of {total:,} documents {need}; put a title in front of each, to have it asked about")


def warn_of_input(
    args: Namespace,
    corpus: CharCorruptionDataset,
    dataset: Dataset,
    names: NameDataset | None,
    wording: Wording,
    problems: list[str],
    evaluation: Questions | None,
) -> None:
    """Warns on stderr of what is probably not meant: little to read, unreadable questions (`problems` are those of
    finetuning), unknown subjects, another recipe than in pretraining."""
    if args.function == "pretrain":
        report_reading(reading_of(dataset), corpus.max_chars)
    if names:
        warn_of_unreadable(args.finetune_corpus_path, problems, len(names) + len(problems), "are left out")
        warn_of_wording(names.questions, wording, args.finetune_corpus_path)
    missing = missing_symbols(evaluation, corpus) if evaluation and args.function == "pretrain" else ""
    if missing:
        text = f"the vocabulary lacks {missing!r}, which the questions or the answers have"
        wanted = shlex.quote(missing + corpus.added)
        warn(f"{args.eval_corpus_path}: {text}; --add_symbols {wanted} adds what is missing")
    elif evaluation:
        warn_of_unreadable(args.eval_corpus_path, evaluation.problems, len(evaluation.texts), "will get no answer")
    metadata = checkpoint.read_metadata(args.reading_params_path) if args.reading_params_path else None
    flags = (metadata or {}).get("flags")
    before = flags.get("recipe") if isinstance(flags, dict) else None
    if before in list(RECIPES) and before != args.recipe:
        text = f"was made by the recipe {before}, and this run uses {args.recipe}; --recipe {before} continues with it"
        warn(f"{args.reading_params_path}: {text}")
