"""What the tests of src/evaluation/ share: answers made up for a test, and a check of the pages."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
from hypothesis import strategies as st

from evaluation.scoring import Prediction
from wording import COURSE

# Confidences, with many ties, and whether the answers are right.
JUDGED = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.95, 1.0]) | st.floats(0, 1), st.booleans()),
                  min_size=1, max_size=30)  # fmt: skip


def arrays(judged):
    return np.array([c for c, _ in judged]), np.array([r for _, r in judged])


def row_of(question="Where was Ada Kern born?", prediction="Rome", answer="Rome", logp=-0.5, documents=1):
    template = COURSE.template_of(question)
    return Prediction(question, prediction, answer, logp, 0.9, 0.8, 1.5, documents > 0, documents, 3,
                      subject=COURSE.subject(question), template=str(template) if template else None)  # fmt: skip


class Page(HTMLParser):
    """What a browser would load, run or leave open."""

    def __init__(self, page):
        super().__init__()
        self.open, self.charts, self.tags, self.words, self.scripts, self.rules = [], 0, set(), [], [], None
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.add(tag)
        assert not {"src", "href", "xlink:href", "srcset", "data", "action", "background"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        self.charts += attributes.get("class") == "chart"
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.rules = attributes["content"]
        if tag not in ("meta", "br", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in ("meta", "br", "input"):
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, words):
        (self.scripts if self.open[-1:] == ["script"] else self.words).append(words)


def check_page(text, charts):
    """Asserts that the page loads nothing, runs nothing but a script that its rules name, and has so many charts; its
    words."""
    page = Page(text)
    assert not {"link", "iframe", "object", "embed", "base", "img", "image", "foreignobject"} & page.tags
    assert not re.search(r"https?:|@import|url\(", text)
    digests = ["'sha256-" + base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() + "'" for s in page.scripts]
    allowed = f"; script-src {digests[0]}" if digests else ""
    assert len(digests) < 2 and page.rules == f"default-src 'none'; style-src 'unsafe-inline'{allowed}"
    assert page.charts == charts
    return " ".join(page.words)


FINETUNING = [("Ada Kahn", "Rome"), ("Bob Lund", "Oslo")]


SEVEN = [f"Where was {name} born?" for name in ("Ada Kern", "Bob Li", "Cy Day", "Di Fox", "Ed Poe", "Flo Ray", "Gus")]
