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
    total, correct = evaluate_places(path, ["London"] * len(questions))
    print(accuracy_line(total, correct))
    if path.name == DEV:  # the handout's number in percent, which is handed in: 5.0
        write_lines(HERE / "london_baseline_accuracy.txt", [str(round(100 * correct / total, 4))])


if __name__ == "__main__":
    run_main(main)
