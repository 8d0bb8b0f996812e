"""What is right if the answer is always London? (Handout 000, part d.)

python london_baseline.py            the dev set; writes london_baseline_accuracy.txt beside this file
python london_baseline.py FILE       other questions and answers; writes nothing
"""

import sys
from pathlib import Path

HERE, DEV = Path(__file__).resolve().parent, "birth_dev.tsv"
sys.path.insert(0, str(HERE / "src"))

from engine.cli import Parser, run_main
from engine.files import InputError, find_corpus, write_lines
from questions import accuracy_line, read_questions
from utils import evaluate_places


def main() -> None:
    parser = Parser(description="Accuracy of always answering London.")
    parser.add_argument("path", nargs="?", default=DEV, help="questions and answers, default %(default)s")
    path = find_corpus(parser.parse_args().path)
    questions, places = read_questions(path)
    if places is None:
        raise InputError(f"{path}: has no answers")
    line = accuracy_line(*evaluate_places(path, ["London"] * len(questions)))
    print(line)
    if path.name == DEV:  # the handout's number, which is handed in
        write_lines(HERE / "london_baseline_accuracy.txt", [line])


if __name__ == "__main__":
    run_main(main)
