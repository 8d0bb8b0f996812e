"""What the commands read before they begin: corpus, questions and parameters. Each says on stdout what it has read."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from dataset import CharCorruptionDataset, NameDataset
from engine import checkpoint
from engine.files import check_writable, describe, find_corpus, naming_file, read_text
from model import GPT, GPTConfig
from questions import encode_questions, read_questions, skip_header
from utils import set_seed

BLOCK_SIZE = 128


def load_corpus(path: str) -> CharCorruptionDataset:
    """The pretraining corpus. Raises InputError when it cannot be used."""
    found = find_corpus(path)
    text = read_text(found)
    with naming_file(found):
        corpus = CharCorruptionDataset(text, BLOCK_SIZE)
    print(f"Corpus: {describe(found)}: {len(corpus):,} documents, {corpus.vocab_size} symbols")
    return corpus


def load_finetuning(path: str, corpus: CharCorruptionDataset) -> NameDataset:
    """The questions to finetune on. Raises InputError when they cannot be used."""
    found = find_corpus(path)
    text, first_line = skip_header(read_text(found), found)
    with naming_file(found):
        names = NameDataset(corpus, text, first_line)
    print(f"Questions: {describe(found)}: {len(names):,}")
    return names


def load_questions(found: Path, corpus: CharCorruptionDataset) -> tuple[list[str], list[str] | None, list[list[int]]]:
    """The questions of a file, their answers, if it has any, and their prompts. Raises InputError, naming the line."""
    questions, answers = read_questions(found)
    print(f"Questions: {describe(found)}: {len(questions):,}")
    return questions, answers, encode_questions(questions, corpus.stoi, BLOCK_SIZE, found)


def make_model(args: Namespace, corpus: CharCorruptionDataset, dropout: float = 0.1) -> GPT:
    """The model, newly initialised or with the parameters of --reading_params_path."""
    set_seed(args.seed)
    probabilities = dict.fromkeys(("embd_pdrop", "resid_pdrop", "attn_pdrop"), dropout)
    model = GPT(GPTConfig(corpus.vocab_size, BLOCK_SIZE, variant=args.variant, **probabilities))
    checkpoint.tag_vocabulary(model, corpus.itos)
    if args.reading_params_path:
        checkpoint.load_params(model, args.reading_params_path, trust_buffers=bool(args.trust_buffers))
        vocabulary = checkpoint.vocabulary_digest(corpus.itos)
        checkpoint.check_metadata(args.reading_params_path, args.variant, vocabulary)
    return model


def input_files(args: Namespace) -> list[Path]:
    """The corpora and questions that the command reads. Raises InputError when one does not exist."""
    paths = [args.pretrain_corpus_path, args.finetune_corpus_path, args.eval_corpus_path]
    return [find_corpus(path) for path in paths if path]


def check_training_outputs(args: Namespace) -> None:
    """Raises InputError when the files of a training run cannot be written, or would overwrite what it reads. Only the
    parameters that it starts from may be overwritten, at the end."""
    inputs = input_files(args)
    check_writable(args.writing_params_path, *inputs)
    state = checkpoint.checkpoint_path(args.writing_params_path)
    beside = (checkpoint.metadata_path(args.writing_params_path), checkpoint.final_path(args.writing_params_path))
    for path in (*beside, state, state + checkpoint.PREVIOUS):
        check_writable(path, *inputs, args.reading_params_path)


def check_prediction_outputs(args: Namespace) -> None:
    """Raises InputError when the predictions cannot be written, or would overwrite what evaluation reads."""
    metadata = checkpoint.metadata_path(args.reading_params_path)
    check_writable(args.outputs_path, *input_files(args), args.reading_params_path, metadata, args.calibration_path)
