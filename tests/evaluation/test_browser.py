"""Reports and comparisons in a real Chromium: on a phone and on a desk, light and dark."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from answers import FINETUNING, row_of
from test_report import make_large

from evaluation import report
from evaluation.calibration import Calibration
from evaluation.compare import compare
from evaluation.probes import PROBES

pytestmark = pytest.mark.slow
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# Chromium's own windows are at least 500 pixels wide, so pages are looked at in a frame.
FRAME = """<!DOCTYPE html><meta charset="utf-8"><style>:root { color-scheme: light dark } body { margin: 0 }
iframe { border: 0; width: WIDTHpx; height: 9000px }</style><body><iframe src="copy.html"></iframe>
<script>onmessage = event => document.body.textContent = event.data</script>"""
# The page itself may run nothing but its own script. A copy of it, without that rule, runs this, which says what is wrong.
LOOK = r"""
const wrong = [], say = (what, node) => wrong.push(what + ": " + (node.textContent || node.className).trim().slice(0, 60));
const rgb = text => { const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number); return [r, g, b, a]; };
const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const ground = node => { for (; node; node = node.parentElement) {
    const colour = rgb(getComputedStyle(node).backgroundColor); if (colour[3] > 0.99) return colour; } return [255, 255, 255]; };
document.querySelectorAll("details").forEach(node => node.open = true);
if (document.documentElement.scrollWidth > innerWidth) say("the page is wider than the window", document.body);
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let texts = 0;
for (let node; node = walker.nextNode();) {
  const parent = node.parentElement, style = getComputedStyle(parent);
  if (!node.data.trim() || parent.closest("script, style")) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  const box = range.getBoundingClientRect();
  texts += 1;
  if (!box.width || !box.height) say("invisible", parent);
  if (!parent.closest(".wide") && (box.left < -1 || box.right > innerWidth + 1)) say("outside of the window", parent);
  const colours = [rgb(parent.closest("svg") ? style.fill : style.color), ground(parent)].map(light).sort((a, b) => b - a);
  const large = parseFloat(style.fontSize) >= 24 || parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 700;
  if ((colours[0] + 0.05) / (colours[1] + 0.05) < (large ? 3 : 4.5)) say("little contrast", parent);
}
for (const group of document.querySelectorAll(".bar, svg.chart")) {
  const boxes = [...(group.matches(".bar") ? group.children : group.querySelectorAll("text:not(.count)"))]
      .map(node => [node, node.getBoundingClientRect()]);
  boxes.forEach(([a, one], i) => boxes.slice(i + 1).forEach(([b, other]) => {
    if (one.left < other.right - 1 && other.left < one.right - 1 && one.top < other.bottom - 2 && other.top < one.bottom - 2)
      say("overlapping", a);
  }));
  for (const [node, box] of boxes) {
    const frame = group.getBoundingClientRect();
    if (box.left < frame.left - 1 || box.right > frame.right + 1) say("cut off", node);
  }
}
const seen = { wrong, texts, dark: getComputedStyle(document.body).backgroundColor, width: innerWidth,
    loaded: performance.getEntriesByType("resource").length, charts: document.querySelectorAll("svg.chart").length };
const search = document.querySelector("#search");
if (search) {
  const rows = () => [...document.querySelector("table.answers").tBodies[0].rows].filter(row => !row.hidden);
  const heads = [...document.querySelectorAll("table.answers th button")];
  const column = heads.findIndex(head => head.textContent === "probability");
  seen.rows = rows().length;
  heads[column].click();
  seen.ascending = rows().map(row => +row.cells[column].dataset.value);
  heads[1].click();
  seen.names = rows().map(row => row.cells[1].innerText);
  search.value = "paris ";
  search.dispatchEvent(new Event("input"));
  seen.found = rows().map(row => row.innerText);
  seen.shown = document.querySelector("#shown").textContent;
}
parent.postMessage(JSON.stringify(seen), "*");
"""


def browse(page: Path, width: int, scheme: str, *flags: str) -> str:
    """Opens a page; what Chromium prints."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
               f"--user-data-dir={page.parent}/profile", f"--window-size={width},2000", *flags,
               f"--blink-settings=preferredColorScheme={int(scheme == 'light')}", page.as_uri()]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


def look(page: Path, width: int, scheme: str) -> dict:
    """What LOOK finds on a page; a screenshot of all of it is left beside the page."""
    copy, text = page.with_name("copy.html"), page.read_text("utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    copy.write_text(text.replace("</body>", f"<script>{{{LOOK}}}</script></body>"), encoding="utf-8")
    frame = page.with_name("frame.html")
    frame.write_text(FRAME.replace("WIDTH", str(width)), encoding="utf-8")
    shown = browse(frame, 1500, scheme, "--dump-dom", "--virtual-time-budget=20000")
    shot = page.with_name(f"{page.stem}.{width}.{scheme}.png")
    browse(page, width, scheme, f"--screenshot={shot}", f"--window-size={width},{6000 if width < 1000 else 4500}")
    assert shot.stat().st_size > 50_000  # a blank page takes a few thousand bytes
    return json.loads(html.unescape(re.search(r"<body>(.*)</body>", shown, re.DOTALL)[1]))


def make_extreme(folder: Path) -> None:
    """A report of few questions with names and answers as long as can be, in several scripts."""
    folder.mkdir()
    names = ["X" * 100, "Анна Ивановна " * 6, "王小明", "Ada", "مريم " * 12, "a-b" * 30]
    rows = []
    for i, name in enumerate(names * 4):
        answer = ["Rome", "Llanfairpwllgwyngyllgogerychwyrndrobwll" * 2][i % 2]
        row = row_of(f"Where was {name.strip()} born?", answer if i % 3 else "Ö" * 32, answer, -i / 4, documents=i % 2)
        row.texts = [f"{name.strip()}. Born in {answer}, " + "and so on " * 60] * (i % 2)
        row.alternatives = [(row.prediction, 0.5), ("", 0.2), ("Q" * 32, 0.1), (answer, 0.01), ("<b>", 1e-9)]
        row.confidence = float(np.exp(row.log_probability))
        rows.append(row)
    probes = {
        name: {"prompt": f"{names[0]}⁇, b⁇", "expected": "Z" * 60, "said": "Z" * 60, "passed": True} for name in PROBES
    }
    accuracy = {"questions": 1000, "right": 1000, "accuracy": 1.0, "low": 0.996, "high": 1.0}
    found = {"probes": dict.fromkeys(probes, accuracy), "probe_example": probes | {"like_it": 3}}
    found |= {"retrieval": {"stored": 900, "stored_and_said": 800, "said_only": 50}}
    about = {"variant": "rope", "questions": f"{'long' * 40}.tsv (1 bytes, sha256 00000000)"}
    report.write_report(str(folder), rows, 112, about, FINETUNING, Calibration(3.0, 0.5), 0.5, found)


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """A report of 500 questions, one of extreme ones, and their comparison."""
    if BROWSER is None:
        pytest.skip("there is no chromium")
    folder = tmp_path_factory.mktemp("pages")
    for name in ("large", "other.run.with.a.rather.long.name.0"):
        (folder / name).mkdir()
        make_large(folder / name)
    make_extreme(folder / "extreme")
    compare([str(path) for path in folder.iterdir()], str(folder / "comparison.html"))
    found = {name: folder / f"{name}.html" for name in ("large", "extreme", "comparison")}
    for name in ("large", "extreme"):
        shutil.copy(folder / name / "report.html", found[name])
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("name", ["large", "extreme", "comparison"])
def test_everything_can_be_read(name, width, scheme, pages):
    """Nothing is cut off, invisible, too faint or on top of something else, with everything unfolded."""
    seen = look(pages[name], width, scheme)
    assert seen["wrong"] == [] and seen["loaded"] == 0 and seen["width"] == width
    assert seen["texts"] > 100 and seen["charts"] == {"large": 2, "extreme": 1, "comparison": 1}[name]
    assert (seen["dark"] == "rgb(255, 255, 255)") == (scheme == "light")
    if name == "large":
        assert seen["rows"] == 500 and seen["ascending"] == sorted(seen["ascending"])
        assert len(seen["names"]) == 500 and seen["names"][0] < seen["names"][-1]
        assert seen["shown"] == f"{len(seen['found'])} of 500 shown" and 0 < len(seen["found"]) < 100
        assert all("paris" in text.lower() for text in seen["found"])


def test_the_rules_of_the_page_let_its_script_run(pages):
    """And no other: the copy above has no rules, this page has them."""
    shown = browse(pages["large"], 1400, "light", "--dump-dom")
    assert "500 of 500 shown" in shown and '<div class="tools">' in shown
    strange = pages["large"].with_name("strange.html")
    text = pages["large"].read_text("utf-8")
    strange.write_text(text.replace("</body>", "<script>document.title = 'strange'</script></body>"), encoding="utf-8")
    assert "<title>strange</title>" not in browse(strange, 1400, "light", "--dump-dom")


def test_without_scripts_the_page_has_everything(pages):
    blocked = pages["large"].with_name("blocked.html")
    blocked.write_text(re.sub("'sha256-[^']*'", "'none'", pages["large"].read_text("utf-8")), encoding="utf-8")
    shown = browse(blocked, 1400, "light", "--dump-dom")
    assert "500 of 500 shown" not in shown and '<div class="tools" hidden="">' in shown
    assert shown.count("<tr>") > 500
