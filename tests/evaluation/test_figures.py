"""The charts' geometry."""

import xml.etree.ElementTree

from hypothesis import given
from hypothesis import strategies as st

from evaluation.figures import BOTTOM, LEFT, LINE, RIGHT, TOP, Curve, chart, spread


@given(st.lists(st.floats(TOP, BOTTOM), max_size=14))
def test_names_do_not_overlap_and_keep_their_order(heights):
    placed = spread(heights)
    assert all(b - a >= LINE - 0.11 for a, b in zip(sorted(placed), sorted(placed)[1:]))
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    assert [placed[i] for i in order] == sorted(placed)
    if len(heights) == 1:
        assert abs(placed[0] - heights[0]) < 0.1


def test_a_chart_is_well_formed_and_to_scale():
    curves = [
        Curve("a < b & c", [(0, 0), (1, 1)], dots=[(0.5, 0.25, 0.0, 1.0, "<7>")]),
        Curve("point", [(0.5, 0.5)], 9),
    ]
    tree = xml.etree.ElementTree.fromstring(str(chart(curves, "x", "y", [("half", 0.5)], "ideal")))
    texts = [node.text for node in tree.iter("text")]
    assert {"a < b & c", "point", "half", "ideal", "<7>", "0", "100"} <= set(texts)
    (curve,) = [node for node in tree.iter("path") if node.get("class").startswith("curve")]
    assert curve.get("d") == f"M{LEFT} {BOTTOM}L{RIGHT} {TOP}"
    assert [node.get("class") for node in tree.iter("circle")] == ["dot c0", "dot c1"]
