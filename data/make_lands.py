"""Make a small corpus for docs/own-data.md: texts about lands that do not exist, and questions about their capitals.

    python data/make_lands.py                # writes data/lands again, byte for byte
    python data/make_lands.py --lands 500 --seed 1 --out DIR

Each land has a file NAME.txt: its name, a blank line, and a few sentences in random order, one of which names the capital.
train.tsv and dev.tsv ask for the capitals of three fifths and of two fifths of the lands. Some capitals have an older name
too; it is a second accepted answer.
"""

import random
import sys
from argparse import ArgumentParser
from pathlib import Path

HERE = Path(__file__).resolve().parent
LANDS, TRAIN_SHARE, OLD_NAMES = 100, 0.6, 0.15
MOST_LANDS = 2000

FIRST = [
    "Ar",
    "Bel",
    "Cor",
    "Dra",
    "El",
    "Fen",
    "Gal",
    "Hal",
    "Il",
    "Jor",
    "Kel",
    "Lor",
    "Mar",
    "Nor",
    "Or",
    "Pel",
    "Quin",
    "Ros",
    "Sil",
    "Tar",
    "Ul",
    "Vel",
    "Wes",
    "Yar",
    "Zor",
]
MIDDLE = ["a", "e", "i", "o", "u", "an", "en", "in", "or", "ul", "ath", "eth", "ith", "am", "em"]
LAND_END = ["via", "land", "mark", "dor", "nia", "stan", "wald", "mere", "gard", "ria"]
TOWN_END = ["burg", "ton", "ville", "port", "wick", "ham", "stad", "grad", "polis", "ford"]
RIVER_END = ["a", "e", "is", "une", "ow", "ey"]

CAPITAL = ["The capital is {capital}.", "Its capital is {capital}, an old town.", "It is ruled from {capital}.",
           "The king and the parliament are in {capital}, the capital."]  # fmt: skip
OLD_NAME = "On older maps the capital is called {old}."
OTHERS = [
    ["The river {river} flows through it.", "The river {river} ends there in a lake.", "Its longest river is the {river}."],
    ["Its harbour, Port {port}, never freezes.", "The ships leave from Port {port}.", "It has a university at Port {port}."],
    ["It has {n} inhabitants.", "At the last count it had {n} people."],
    ["It exports {goods}.", "The people live by {goods}.", "It is known for {goods}."],
]  # fmt: skip
GOODS = ["wool", "salt", "honey", "copper", "paper", "tea", "cheese", "amber", "glass", "timber", "wine", "silver"]


def new_name(draw: random.Random, end: list[str], taken: set[str]) -> str:
    """A name that nothing else has."""
    while (name := draw.choice(FIRST) + draw.choice(MIDDLE) + draw.choice(end)) in taken:
        pass
    taken.add(name)
    return name


def make_land(draw: random.Random, taken: set[str]) -> tuple[str, str, list[str]]:
    """A land: its name, the text about it, and the accepted names of its capital."""
    name, capital = (new_name(draw, end, taken) for end in (LAND_END, TOWN_END))
    river, port = (new_name(draw, RIVER_END, taken) for _ in range(2))
    words = {"capital": capital, "port": port, "river": river, "n": f"{draw.randint(20, 900)},000"}
    words["goods"] = " and ".join(draw.sample(GOODS, 2))
    sentences = [draw.choice(CAPITAL), *(draw.choice(kind) for kind in draw.sample(OTHERS, 3))]
    draw.shuffle(sentences)
    answers = [capital]
    if draw.random() < OLD_NAMES:
        answers.append(new_name(draw, TOWN_END, taken))
        sentences.append(OLD_NAME)
    kind = draw.choice(["kingdom", "republic", "land", "country"])
    place = draw.choice(["in the hills", "by the sea", "on an island", "between two lakes", "in the far north"])
    text = f"{name} is a {kind} {place}. " + " ".join(sentences).format(old=answers[-1], **words)
    return name, text, answers


def main() -> None:
    parser = ArgumentParser(description="Make texts about invented lands, and questions about their capitals.")
    parser.add_argument("--lands", type=int, default=LANDS, metavar="N", help=f"5 to {MOST_LANDS}, default %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default %(default)s")
    parser.add_argument("--out", type=Path, default=HERE / "lands", metavar="DIR", help="default %(default)s")
    args = parser.parse_args()
    if not 5 <= args.lands <= MOST_LANDS:
        parser.error(f"--lands {args.lands} is not between 5 and {MOST_LANDS}")
    draw, taken = random.Random(args.seed), set()
    lands = [make_land(draw, taken) for _ in range(args.lands)]
    questions = ["\t".join([f"What is the capital of {name}?", *answers]) + "\n" for name, _, answers in lands]
    split = round(TRAIN_SHARE * args.lands)
    files = {f"{name}.txt": f"{name}\n\n{text}\n" for name, text, _ in lands}
    for name, lines in (("train.tsv", questions[:split]), ("dev.tsv", questions[split:])):
        files[name] = "question\tanswer\talias\n" + "".join(lines)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (args.out / name).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        sys.exit(f"make_lands.py: error: {args.out}: cannot be written: {error.strerror}")


if __name__ == "__main__":
    main()
