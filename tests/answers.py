"""What the tests of src/evaluation/ share: answers made up for a test, and a check of the pages."""

import base64
import re
import xml.etree.ElementTree
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
        self.open, self.images, self.tags, self.words = [], [], set(), []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.add(tag)
        assert not {"href", "srcset", "data", "action", "background"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        if "src" in attributes:
            kind, content = attributes["src"].split(",")
            assert (tag, kind) == ("img", "data:image/svg+xml;base64") and attributes["alt"]
            self.images.append(base64.b64decode(content, validate=True).decode())
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in ("meta", "img", "br"):
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, words):
        self.words.append(words)


def check_page(text, figures):
    """Asserts that the page loads nothing, runs nothing and has so many figures; its words."""
    page = Page(text)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & page.tags
    assert not re.search(r"https?:|@import|url\(", text)
    assert len(page.images) == figures
    for image in page.images:
        for element in xml.etree.ElementTree.fromstring(image).iter():
            assert element.tag.split("}")[-1] not in ("script", "image", "foreignObject")
            links = [value for name, value in element.attrib.items() if name.split("}")[-1] == "href"]
            assert all(link.startswith("#") for link in links)
    return " ".join(page.words)


FINETUNING = [("Ada Kahn", "Rome"), ("Bob Lund", "Oslo")]


SEVEN = [f"Where was {name} born?" for name in ("Ada Kern", "Bob Li", "Cy Day", "Di Fox", "Ed Poe", "Flo Ray", "Gus")]
