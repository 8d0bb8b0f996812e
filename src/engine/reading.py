"""What a run reads of a corpus: said when pretraining begins, and recorded with the parameters."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from cloze import views_of
from dataset import CharCorruptionDataset
from engine.checkpoint import read_metadata
from engine.files import warn
from variants import VARIANTS

LITTLE = 0.5  # of the documents, or of the text


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


def warn_of_positions(args: Namespace, dataset: Dataset) -> None:
    """Warns on stderr when learned positions have met titles elsewhere in pretraining than questions have their subjects."""
    views, path = views_of(dataset), args.reading_params_path
    before = (read_metadata(path) or {}).get("title_positions") if path else None
    read = [int(p) for p in before if str(p).isdecimal()] if isinstance(before, (list, dict)) else []
    if views and read and VARIANTS[args.variant].learned_positions and views.usual_position not in read:
        text = f"was pretrained with titles at position {min(read)}, and these questions have their subjects at"
        advice = "answers will be worse than after pretraining with --title_positions and these questions, or any"
        warn(f"{path}: {text} {views.usual_position}: {advice}")
