"""What is right if the answer is always London? (Handout 000, part d.)

python london_baseline.py            the dev set; writes london_baseline_accuracy.txt beside this file
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "src"))

from utils import accuracy_line, evaluate_places, find_corpus, read_questions, run_main, write_lines


def main() -> None:
    path = find_corpus(sys.argv[1] if len(sys.argv) > 1 else "birth_dev.tsv")
    questions, _ = read_questions(path)
    line = accuracy_line(*evaluate_places(path, ["London"] * len(questions)))
    print(line)
    write_lines(HERE / "london_baseline_accuracy.txt", [line])


if __name__ == "__main__":
    run_main(main)
