"""What the commands read before they begin: corpus, questions and parameters. Each says on stdout what it has read."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from cloze import WORDINGS, pretraining_positions
from dataset import CharCorruptionDataset, NameDataset, readable_questions
from documents import read_documents
from engine import checkpoint, parameters
from engine.files import AUTO, FORMS, InputError, check_writable, describe, find_corpus, naming_file, warn
from engine.sizes import Sizes, choose_sizes, sizes_of_tensors
from model import GPT, GPTConfig
from questions import accepted, encode_question, read_questions, read_rows, read_training_rows, subject_positions
from titles import titles_of
from utils import set_seed
from vocabulary import without_accents
from wording import Wording, find_wording


def find_sizes(args: Namespace) -> Sizes:
    """The sizes of the model that a command trains or reads: those of --reading_params_path or of the run that --resume
    continues, else those of the flags.

    Raises InputError when a flag contradicts these, or when no such model can be made.
    """
    if path := args.reading_params_path:
        record = (checkpoint.read_metadata(path) or {}).get("model")
        return choose_sizes(args, sizes_of_tensors(parameters.read_params(path), record), path)
    if getattr(args, "resume", False) and args.writing_params_path:
        path = checkpoint.path_to_resume(args.writing_params_path)
        state = checkpoint.load_checkpoint(path, quiet=True)
        tensors, run = (value if isinstance(value, dict) else {} for value in (state.get("model"), state["run"]))
        tensors = {name: tensor for name, tensor in tensors.items() if parameters.is_named_tensor(name, tensor)}
        return choose_sizes(args, sizes_of_tensors(tensors, run.get("model")), path)
    return choose_sizes(args, {}, "")


def load_corpus(
    path: str, block_size: int = Sizes.block_size, form: str = AUTO, added: str = ""
) -> CharCorruptionDataset:
    """The pretraining corpus, a file or a folder of .txt files, for a model of this block size. `form` is how its documents
    are told apart (documents.py), `added` are characters that the vocabulary has besides those of the corpus. Raises
    InputError when it cannot be used."""
    found = find_corpus(path)
    text, form = read_documents(found, form)
    with naming_file(found):
        corpus = CharCorruptionDataset(text, block_size, added)
    corpus.form = form
    kind = FORMS[form]
    print(f"Corpus: {describe(found)}: {len(corpus):,} documents, {kind}, {corpus.vocab_size} symbols")
    return corpus


def load_recorded_corpus(args: Namespace, block_size: int) -> CharCorruptionDataset:
    """The corpus of a command, as it was read when --reading_params_path was made, unless flags say otherwise."""
    made = args.reading_params_path and checkpoint.read_metadata(args.reading_params_path) or {}
    form = made.get("documents", "lines") if made else AUTO  # older metadata does not say it
    form = args.documents or (form if form in list(FORMS) else AUTO)
    added = getattr(args, "add_symbols", None) or (made["symbols"] if isinstance(made.get("symbols"), str) else "")
    return load_corpus(args.pretrain_corpus_path, block_size, form, added)


def load_finetuning(path: str, corpus: CharCorruptionDataset) -> tuple[NameDataset, Wording, list[str]]:
    """The questions to finetune on that the model can read, how they are worded, and for each of the others what is wrong.
    Raises InputError when they cannot be used, or all are unreadable."""
    found = find_corpus(path)
    rows = read_training_rows(found)
    with naming_file(found):
        names, problems = readable_questions(corpus, rows)
    print(f"Questions: {describe(found)}: {len(names):,}")
    wording = find_wording(names.questions, titles_of(corpus.data))
    print(*wording.lines(), sep="\n")
    return names, wording, problems


class Questions(NamedTuple):
    """The questions of a file for evaluation."""

    texts: list[str]
    answers: list[str] | None  # see questions.accepted
    prompts: list[list[int]]  # an empty one for each question that the model cannot read
    problems: list[str]  # what is wrong with each of these: "line 3: ..."


def load_questions(found: Path, corpus: CharCorruptionDataset) -> Questions:
    """The questions of a file. Raises InputError when the file is malformed."""
    rows, prompts, problems = read_rows(found), [], []
    for row in rows:
        try:
            prompts.append(encode_question(row.question, corpus.stoi, corpus.block_size, f"line {row.line}"))
        except InputError as error:
            prompts.append([])
            problems.append(str(error))
    print(f"Questions: {describe(found)}: {len(rows):,}")
    answers = [row.answer for row in rows] if rows[0].answer else None
    return Questions([row.question for row in rows], answers, prompts, problems)


def load_title_questions(choice: str) -> Questions | None:
    """The questions by which pretraining places its titles, without prompts; None where `choice` is no file, but one of WORDINGS.
    Raises InputError when the file is malformed."""
    return None if choice in WORDINGS else Questions(*read_questions(find_corpus(choice)), [], [])


def find_title_positions(choice: str, asked: Questions | None, corpus: CharCorruptionDataset) -> dict[int, float]:
    """Where the views of pretraining have their titles, and how often: `choice` is one of WORDINGS, or the file of `asked`, and
    then it is where these questions have their subjects. Raises InputError when that cannot be found."""
    if asked is None:
        return pretraining_positions(corpus.block_size, choice == "any")
    wording = find_wording(asked.texts, titles_of(corpus.data))
    print(f"Titles as in the questions of {describe(find_corpus(choice))}", *wording.lines(), sep="\n")
    found = subject_positions(wording, asked.texts, corpus.stoi)
    positions = {p: n for p, n in found.items() if p < corpus.block_size}
    if not positions:
        raise InputError(f"--title_positions {choice}: where the questions have their subjects is not found; give any")
    return positions


def missing_symbols(questions: Questions, corpus: CharCorruptionDataset) -> str:
    """The characters of the questions and of their answers that the vocabulary lacks."""
    answers = (right for answer in questions.answers or () for right in accepted(answer))
    return "".join(sorted(set().union(*map(without_accents, questions.texts), *answers) - corpus.stoi.keys()))


def warn_of_unreadable(path: Path | str, problems: Sequence[str], total: int, consequence: str) -> None:
    """Warns on stderr of the questions that the model cannot read. `problems` says of each what is wrong."""
    if problems:
        warn(f"{path}: {len(problems)} of {total} questions cannot be read and {consequence}; the first: {problems[0]}")


def make_model(args: Namespace, corpus: CharCorruptionDataset, sizes: Sizes, dropout: float = 0.1) -> GPT:
    """The model, newly initialised or with the parameters of --reading_params_path."""
    set_seed(args.seed)
    probabilities = dict.fromkeys(("embd_pdrop", "resid_pdrop", "attn_pdrop"), dropout)
    model = GPT(GPTConfig(corpus.vocab_size, variant=args.variant, **asdict(sizes), **probabilities))
    parameters.tag_vocabulary(model, corpus.itos)
    if args.reading_params_path:
        parameters.load_params(model, args.reading_params_path, trust_buffers=bool(args.trust_buffers))
        vocabulary = parameters.vocabulary_digest(corpus.itos)
        checkpoint.check_metadata(args.reading_params_path, args.variant, vocabulary)
    return model


def input_files(args: Namespace) -> list[Path]:
    """The corpora and questions that the command reads. Raises InputError when one does not exist."""
    paths = [args.pretrain_corpus_path, args.finetune_corpus_path, args.eval_corpus_path]
    paths += [args.title_positions] if getattr(args, "title_positions", WORDINGS[0]) not in WORDINGS else []
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
