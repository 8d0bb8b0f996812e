"""Checks of span corruption (part e), by examples of documents whose letters are all equal, as public graders draw them,
and of documents whose letters are all different, so that each piece can be told from the others."""

from __future__ import annotations

import string
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from autograder.grading import Fault, Grading, check
from autograder.reference import vocabulary
from vocabulary import MASK_CHAR, PAD_CHAR

BLOCK = 50
SHORT, LONG = 7, 42  # letters of the documents with equal letters
LETTERS = string.ascii_letters + "".join(map(chr, range(0xC0, 0x180)))
CORPORA = [
    "\n".join(letter * n for letter, n in zip("abcd", (SHORT, 18, 29, LONG))),
    "\n".join(LETTERS[n % 26] * (SHORT + n % (LONG - SHORT + 1)) for n in range(100)),
    "\n".join(LETTERS[n : n + 24 + 2 * n] for n in range(30)),  # 24 to 82 different letters
]
SAMPLES = 300  # of each corpus
FIRST = "span_corruption_gives_pairs_of_long_tensors"


@dataclass(frozen=True)
class Example:
    """One example, as text."""

    document: str
    x: str
    y: str

    @property
    def parts(self) -> list[str]:
        """Between the masks, without padding and without an empty last part."""
        parts = self.x.replace(PAD_CHAR, "").split(MASK_CHAR)
        return parts[:-1] if len(parts) == 4 and not parts[-1] else parts

    @property
    def letters(self) -> str:
        return self.x.replace(PAD_CHAR, "").replace(MASK_CHAR, "")

    def __str__(self) -> str:
        return repr(self.x.rstrip(PAD_CHAR))


def examples(g: Grading) -> list[Example] | Fault:
    """All examples; or why there are none."""
    outcome = g.probe("span_corruption", corpora=CORPORA, block_size=BLOCK, samples=SAMPLES)

    def make() -> list[Example] | Fault:
        found = []
        for number, corpus in enumerate(CORPORA):
            documents = corpus.split("\n")
            if problem := outcome.problem(f"{number} dataset"):
                return Fault(
                    f"CharCorruptionDataset(data, {BLOCK}) cannot be made, or lacks an attribute: {problem}", fatal=True
                )
            for sample in range(SAMPLES):
                document = documents[sample % len(documents)]
                if problem := outcome.problem(f"{number} {sample}"):
                    return Fault(f"CharCorruptionDataset fails on a document of {len(document)} letters, block {BLOCK}: "
                                 f"{problem}", fatal=True)  # fmt: skip
                x, y = outcome.values[f"{number} {sample}"]
                for tensor in (x, y):
                    if not isinstance(tensor, dict) or tensor["dtype"] != "int64" or len(tensor["shape"]) != 1:
                        kind = (
                            f"{tensor['dtype']} of shape {tensor['shape']}"
                            if isinstance(tensor, dict)
                            else type(tensor).__name__
                        )
                        return Fault(f"x and y should be torch.long tensors of one dimension, not {kind}")
                if x["shape"] != y["shape"] or x["shape"][0] not in (BLOCK - 1, BLOCK):
                    return Fault(f"x and y should be {BLOCK} long, like the block (or {BLOCK - 1}), not {x['shape'][0]} and "
                                 f"{y['shape'][0]}")  # fmt: skip
                index = outcome.values[f"{number} dataset"]["stoi"]
                symbols = {i: symbol for symbol, i in index.items()}
                texts = ["".join(symbols.get(int(i), "?") for i in tensor["numbers"]) for tensor in (x, y)]
                found.append(Example(document, *texts))
        return found

    return g.once(["examples", g.submission.digest, vars(g.limits)], make)


def long_enough(g: Grading, most: float = LONG) -> list[Example]:
    """The examples of documents that need not be truncated."""
    return [example for example in examples(g) if len(example.document) <= most]


@check()
def span_corruption_gives_pairs_of_long_tensors(g: Grading) -> Fault | None:
    if problem := g.imports("dataset"):
        return Fault(f"dataset.py cannot be imported: {problem}", fatal=True)
    found = examples(g)
    return found if isinstance(found, Fault) else None


@check(FIRST)
def vocabulary_is_pad_mask_and_the_sorted_characters(g: Grading) -> Fault | None:
    outcome = g.probe("span_corruption", corpora=CORPORA, block_size=BLOCK, samples=SAMPLES)
    for number, corpus in enumerate(CORPORA):
        index = outcome.values[f"{number} dataset"]["stoi"]
        found, wanted = sorted(index, key=index.get), vocabulary(corpus)
        if [index[symbol] for symbol in found] == list(range(len(wanted))) and found == wanted:
            continue
        should = "it should be PAD, MASK, and the sorted characters of the corpus, newline included"
        if found[:2] == wanted[1::-1]:
            return Fault(f"the vocabulary begins with MASK and PAD; {should}")
        if sorted(found) == sorted(wanted):
            return Fault(f"the vocabulary has another order; {should}")
        differing = sorted({*found} ^ {*wanted})
        return Fault(
            f"the vocabulary has {len(found)} symbols instead of {len(wanted)} ({differing[:1]!r} for one); {should}"
        )
    return None


@check(FIRST)
def y_is_x_one_character_later(g: Grading) -> Fault | None:
    for example in examples(g):
        if example.x == example.y:
            return Fault("y equals x; it should be the same string one character later, so that y[:-1] equals x[1:]")
        if example.x[1:] != example.y[:-1]:
            return Fault(f"y[:-1] should equal x[1:]; it does not for x = {example}")
    return None


@check(FIRST)
def padding_is_only_at_the_end(g: Grading) -> Fault | None:
    for example in examples(g):
        if PAD_CHAR in example.x.rstrip(PAD_CHAR):
            where = "in front" if example.x.startswith(PAD_CHAR) else "in the middle"
            return Fault(f"there is padding {where}; it belongs only at the end: x = {example}")
    return None


@check("documents_are_truncated_to_between_4_and_the_limit")
def two_masks_make_three_parts(g: Grading) -> Fault | None:
    wrong = [example for example in examples(g) if len(example.parts) != 3]
    if not wrong:
        return None
    example = max(wrong, key=lambda example: len(set(example.document)))
    should = f"x should be prefix, MASK, suffix, MASK, masked content; x = {example}"
    if len(example.parts) != 2:
        found = len(example.parts) - 1
        return Fault(f"there {'is' if found == 1 else 'are'} {found} MASK instead of 2 (a third may end x): {should}")
    # Without the second MASK, what follows the first is suffix and masked content, which is no part of the document.
    second = any(parts[1] not in e.document for e in wrong if e.document.startswith((parts := e.parts)[0]))
    return Fault(
        f"the MASK {'between suffix and masked content' if second else 'at the end of the prefix'} is missing: {should}"
    )


@check("two_masks_make_three_parts")
def prefix_suffix_and_masked_content_are_in_this_order(g: Grading) -> Fault | None:
    for example in examples(g):
        prefix, suffix, masked = example.parts
        if example.document.startswith(prefix + masked + suffix):
            continue
        if example.document.startswith(prefix + suffix + masked):
            return Fault("suffix and masked content are exchanged: after the first MASK comes the suffix, after the second the "
                         f"masked content; x = {example}")  # fmt: skip
        if example.document.startswith(suffix + masked + prefix) or example.document.startswith(
            masked + prefix + suffix
        ):
            return Fault(f"the parts are in another order than prefix, suffix, masked content; x = {example}")
        if not example.document.startswith(example.letters) and prefix + masked + suffix in example.document:
            return Fault(f"the document loses its beginning; truncating should cut its end: x = {example}")
        return Fault(f"prefix, masked content and suffix should be the beginning of the document: x = {example} of "
                     f"{example.document[:BLOCK]!r}")  # fmt: skip
    return None


@check("padding_is_only_at_the_end")
def documents_are_truncated_to_between_4_and_the_limit(g: Grading) -> Fault | None:
    fraction, *_ = g.edition.limit
    limit = BLOCK * g.edition.truncation[0] // g.edition.truncation[1]
    lengths = [len(example.letters) for example in examples(g)]
    if min(lengths) < 4:
        return Fault(f"a document is truncated to {min(lengths)} of its letters; at least 4 have to be left")
    if max(lengths) > limit:
        return Fault(f"documents are truncated to as many as {max(lengths)} letters; this edition's limit is {fraction} of the "
                     f"block, {limit} of {BLOCK}")  # fmt: skip
    return None


@check("padding_is_only_at_the_end")
def truncated_length_varies(g: Grading) -> Fault | None:
    limit = BLOCK * g.edition.truncation[0] // g.edition.truncation[1]
    found = long_enough(g, min(LONG, limit))
    shares = [len(example.letters) / len(example.document) for example in found]
    if min(shares) == 1:
        return Fault(
            "a document is never truncated to less than it has (up to the limit); the length should be random, from 4 on"
        )
    if np.std(shares) <= 0.05:
        return Fault(f"the truncated length hardly varies (standard deviation {np.std(shares):.3f} of the document's length); "
                     "it should be random, from 4 to the limit")  # fmt: skip
    return None


ORDERED = "prefix_suffix_and_masked_content_are_in_this_order"


@check(ORDERED)
def masked_content_is_a_quarter_on_average(g: Grading) -> Fault | None:
    lengths = [(len(example.parts[2]), len(example.letters)) for example in examples(g)]
    masked, whole = np.mean(lengths, axis=0)
    if abs(masked - whole / 4) > 1.5:
        return Fault(f"the masked content has {masked:.1f} letters on average, a quarter of the truncated document is "
                     f"{whole / 4:.1f}")  # fmt: skip
    return None


@check(ORDERED)
def masked_length_varies(g: Grading) -> Fault | None:
    by_length = defaultdict(set)
    for example in examples(g):
        by_length[len(example.letters)].add(len(example.parts[2]))
    shares = [len(example.parts[2]) / len(example.letters) for example in examples(g)]
    if all(len(masked) == 1 for masked in by_length.values()) or np.std(shares) <= 0.01:
        return Fault("the masked content has always the same share of the truncated document; its length should be random, a "
                     "quarter on average")  # fmt: skip
    return None
