"""The report: true to its sources, self-contained, escaped."""

import csv
import html.parser
import json
import os
import pathlib
import re
import shlex

import numpy as np
import pytest
from support import browser, deploy_networks

from dglgan_tf.cost import macs, tables
from dglgan_tf.networks import biggan, files
from dglgan_tf.reporting import charts, claims, collect, page, report

pytest.importorskip("jinja2", reason="the report needs jinja2")
SCORES = """network,parameters,macs,weights_bytes,latency_p50_ms,kid5k[x]
teacher,1000,4000000,4000,8.0,0.010
guided student,250,1000000,1000,6.0,0.020
control,250,1000000,1000,6.0,0.035
"""
EVIL = "<script>alert(1)</script>"


def _recipe(root, class_names, scores=SCORES, finished=True):
    networks = {}
    for number, stage in enumerate(("teacher", "guided")):
        folder = root / stage
        network = deploy_networks.biggan_generator()
        held = {"generator_ema": network}
        if stage == "teacher":
            held["discriminator"] = biggan.BigGANDiscriminator(
                resolution=32, num_channels=1, num_classes=3, ch=8
            )
        path = folder / "network-snapshot-000004.safetensors"
        files.save_networks(path, held)
        networks["teacher" if stage == "teacher" else "guided student"] = str(path)
        options = {"seed": number, "class_names": class_names}
        (folder / "training_options.json").write_text(json.dumps(options))
        lines = [
            {"images": 1000 * i, "timestamp": number + 1, "g/loss": 1 / i, "d/loss": i}
            for i in range(1, 500)
        ]
        text = "\n".join(json.dumps(line) for line in lines)
        (folder / "stats.jsonl").write_text(text + '\n{"images": 1, "cut o')
        (folder / "operative_config.gin").write_text(f"a = '{EVIL}'\n")
        if finished:
            (folder / "DONE").write_text("yes")
    compared = {"networks": networks, "class_names": class_names}
    (root / "comparison.json").write_text(json.dumps(compared))
    if scores:
        (root / "scores.csv").write_text(scores)
    return root


class _Page(html.parser.HTMLParser):
    """Collects tables' cells, images and ids; checks that tags are balanced."""

    VOID = {"meta", "link", "img", "input", "circle", "path", "br"}

    def __init__(self, text):
        super().__init__()
        self.open, self.cells, self.images, self.scripts = [], [], [], 0
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.images.append(dict(attributes))
        self.scripts += tag == "script"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        assert tag in self.VOID

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.cells.append(data)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A recipe with a hostile class name, and its page."""
    root = _recipe(tmp_path_factory.mktemp("runs") / "shirts", ["coat", EVIL, "bag"])
    out = report.write([root], root / "report.html")
    return root, out.read_text(encoding="utf-8")


def test_commands_of_the_page_survive_a_shell():
    stages = [{"folder": "Bob's runs/a b"}]
    text = page._commands([{"name": "x", "stages": stages}])
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    assert lines[1][-1] == "--run_dir=Bob's runs/a b"
    assert [line[-1] for line in lines[2:]] == ["--grid", "--network=Bob's runs/a b"]


def test_page_is_whole_and_needs_nothing_else(written):
    _, text = written
    page = _Page(text)
    assert page.scripts == 1
    assert len(text) < 5_000_000
    for address in re.findall(r'(?:src|href)="([^"]*)"', text):
        assert address.startswith(("data:", "#"))
    for place in re.findall(r'href="#([^"]*)"', text):
        assert f'id="{place}"' in text
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert all(image["alt"] for image in page.images)


def test_what_users_write_is_escaped(written):
    _, text = written
    assert EVIL not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_tables_match_their_sources(written):
    _, text = written
    cells = _Page(text).cells
    start = cells.index("guided student")
    assert cells[start : start + 8] == [
        "guided student", "0.02", "250", "25.0", "1 M", "25.0", "1 kB", "6",
    ]  # fmt: skip
    assert "keeps 25.0 % of the parameters and 25.0 % of the multiply-acc" in text
    assert "guided student (4.0 times fewer MACs, 1.3 times as fast)" in text
    assert "no export: run" in text
    counted = macs.count(deploy_networks.biggan_generator())
    both = cells.index("teacher, guided student")  # one configuration
    assert cells[both + 1 : both + 3] == [
        "parameters",
        tables.scaled(counted.parameters),
    ]
    row = next(row for row in counted.rows if row.macs > 0.1 * counted.macs)
    assert f"{100 * row.macs / counted.macs:.1f}" in cells[cells.index(row.path) :][:5]


def test_pictures_are_the_networks_own(written):
    import base64
    import io

    from PIL import Image

    from dglgan_tf.deploy import opening
    from dglgan_tf.foundation import pictures

    root, text = written
    sheets = json.loads(re.search(r"const sheets = (.*);", text)[1])
    assert set(sheets) == {"teacher", "guided student"}
    assert set(sheets["teacher"]) == {"none", "1", "0.5"}
    data = base64.b64decode(sheets["teacher"]["0.5"].split(",")[1])
    with Image.open(io.BytesIO(data)) as image:
        found = np.asarray(image)
    drawn = opening.load(root / "teacher").images(
        np.repeat(range(6), 3), [0, 1, 2] * 6, truncation=0.5
    )
    expected = pictures.grid(drawn, 3)[..., 0].astype(int)
    assert np.abs(found - expected).max() <= 1


def test_unfinished_and_unscored_runs_are_told(tmp_path):
    root = _recipe(tmp_path / "half", [], scores=None, finished=False)
    text = report.write([root], tmp_path / "r.html", with_pictures=False).read_text()
    assert "stage guided is not finished" in text
    assert "no scores.csv" in text and "no comparison of teacher" in text
    _Page(text)


def test_export_table_matches_its_report(tmp_path):
    root = _recipe(tmp_path / "shirts", [])
    entry = {
        "bytes": 123456,
        "differences": [{"signature": "generate_float", "max": 2.5e-6}],
        "timing": [{"threads": 2, "p50_ms": 1.25, "p95_ms": 3.5}],
    }
    judged = {
        "metric": "kid1k[x]",
        "values": {"source": 0.0125, "onnx": 0.0126},
        "floor": {"value": -3e-5, "images": 1000},
        "protocol": {"real": {"data": "shirts"}},
        "left_out": {"tflite-float32": "too slow"},
    }
    files_of = {"onnx": entry, "tflite-float32": entry}
    (root / "export").mkdir()
    (root / "export" / "export_report.json").write_text(
        json.dumps({"files": files_of, "distance": judged})
    )
    text = report.write([root], tmp_path / "r.html", with_pictures=False).read_text()
    cells = _Page(text).cells
    start = cells.index("onnx")
    assert cells[start - 1] == "kid1k[x]"
    row = ["onnx", "123,456", "2.5e-06", "2", "1.25", "3.5", "0.0126"]
    assert cells[start : start + 7] == row
    assert cells[start + 7 : start + 14] == ["tflite-float32", *row[1:6], "-"]
    assert cells[start + 14 : start + 21] == ["(source)", *["-"] * 5, "0.0125"]
    assert "Not measured for tflite-float32: too slow." in text


def test_runs_of_two_protocols_are_refused(tmp_path):
    first = _recipe(tmp_path / "a", [])
    second = _recipe(tmp_path / "b", [], SCORES.replace("kid5k[x]", "fid50k"))
    with pytest.raises(ValueError, match="different protocols"):
        report.write([first, second], tmp_path / "r.html", with_pictures=False)
    for root, data in ((first, "aa"), (second, "bb")):
        compared = json.loads((root / "comparison.json").read_text())
        protocol = {"real_fingerprint": data, "seed": data, "num_generated": 5000}
        compared["protocols"] = {"kid5k[x]": {"protocol": protocol}}
        (root / "comparison.json").write_text(json.dumps(compared))
    (second / "scores.csv").write_text(SCORES)
    with pytest.raises(ValueError, match="real_fingerprint is 'aa' in .*a and 'bb' in"):
        report.write([first, second], tmp_path / "r.html", with_pictures=False)
    text = report.write([first, first], tmp_path / "r.html", False).read_text()
    assert "a: guided student" in text and text.count('class="dominated"') >= 2


def test_broken_files_are_named(tmp_path):
    with pytest.raises(ValueError, match="no folder"):
        collect.recipe(tmp_path / "none")
    with pytest.raises(ValueError, match="holds no run"):
        collect.recipe(tmp_path)
    root = _recipe(tmp_path / "a", [])
    (root / "scores.csv").write_text("network,parameters\nteacher,many\n")
    with pytest.raises(ValueError, match=r"scores.csv is broken"):
        collect.recipe(root)
    (root / "scores.csv").unlink()
    (root / "guided" / "stats.jsonl").write_text("{\n{}\n")
    with pytest.raises(ValueError, match=r"stats.jsonl, line 1"):
        collect.recipe(root)


def test_curves_are_thinned_and_charts_leave_gaps():
    stats = [{"images": i, "g/loss": float(i)} for i in range(1000)]
    (chart,) = collect._charts(stats)
    assert len(chart["lines"]["total"]) <= 200
    svg = charts.lines("loss", {"a": [(0, 1.0), (1, float("nan")), (2, 3.0), (3, 4.0)]})
    path = re.search(r'class="line c0" d="([^"]*)"', svg)[1]
    assert path.count("M") == 2 and path.count("L") == 1
    assert charts.lines("empty", {"a": []}) == ""


def test_first_numbers_and_protocols():
    rows = [
        {"network": "teacher", "parameters": 400.0, "macs": 8e6, "kid1k": 0.02},
        {"network": "control", "parameters": 100.0, "macs": 2e6, "kid1k": 0.06},
        {"network": "guided", "parameters": 100.0, "macs": 2e6, "kid1k": 0.04},
    ]
    for row, time in zip(rows, (9.0, 3.0, 4.5), strict=True):
        row["latency_p50_ms"] = time
    known = {
        "floor": {"value": -3e-5, "images": 1000},
        "protocol": {"num_generated": 1000, "num_real": 1000, "resize": "clean"},
    }
    known["protocol"]["real"] = {"data": "shirts"}
    found = {"scores": rows, "metrics": ["kid1k"], "protocols": {"kid1k": known}}
    shown = [(tile["value"], tile["detail"]) for tile in claims.tiles(found)]
    assert shown == [
        ("25.0 %", "100 of 400"),
        ("25.0 %", "2 M of 8 M"),
        ("2.00×", "4.5 ms instead of 9 ms"),
        ("0.04", "teacher 0.02, control 0.06"),
    ]
    assert claims.protocols(found) == [
        "kid1k: 1,000 generated, 1,000 real, data shirts, resize clean, real against "
        "real -3e-05."
    ]
    assert claims.claim(found).endswith(
        "4.5 ms for an image instead of 9; kid1k: teacher 0.02, control 0.06, guided "
        "0.04."
    )


@pytest.mark.slow
def test_deviations_stand_beside_their_scores(tmp_path):
    lines = SCORES.splitlines()
    lines[0] += ",kid5k[x] sd"
    lines[1:] = [f"{line},0.00125" for line in lines[1:]]
    root = _recipe(tmp_path / "a", [], "\n".join(lines) + "\n")
    found = collect.recipe(root)
    assert found["metrics"] == ["kid5k[x]"]
    assert "guided student 0.02 ± 0.0013" in claims.claim(found)
    text = report.write([root], tmp_path / "r.html", with_pictures=False).read_text()
    cells = _Page(text).cells
    start = cells.index("guided student")
    assert cells[start : start + 3] == ["guided student", "0.02 ± 0.0013", "250"]
    assert "kid5k[x] sd" not in cells


def test_dominated_points():
    a, b, c = ({"x": x, "y": y} for x, y in ((1, 3), (2, 2), (2, 3)))
    assert not charts.dominated(a, [a, b, c])
    assert not charts.dominated(b, [a, b, c])
    assert charts.dominated(c, [a, b, c])


@pytest.mark.slow
def test_page_works_in_a_browser(written, tmp_path):
    if browser.find() is None:
        pytest.skip("no Chromium here: install it to test the page itself")
    root, _ = written
    with browser.page(tmp_path) as page:
        for width, dark in ((1280, False), (390, True)):
            _use((root / "report.html").as_uri(), page, width, dark)


@pytest.mark.slow
def test_page_of_a_finished_quickstart_matches_its_files(tmp_path):
    """Of a folder that DGLGAN_QUICKSTART names, with a report.html in it."""
    folder = os.environ.get("DGLGAN_QUICKSTART")
    if folder is None or browser.find() is None:
        pytest.skip("needs Chromium and DGLGAN_QUICKSTART=runs/quickstart")
    root = pathlib.Path(folder).resolve()
    with browser.page(tmp_path) as page:
        _use((root / "report.html").as_uri(), page, 1280, False)
        found = [page.value(_TABLE % name) for name in ("scores", "export")]
    with open(root / "scores.csv", encoding="utf-8") as file:
        scores = list(csv.DictReader(file))
    assert [row[0] for row in found[0]] == [row["network"] for row in scores]
    for cells, row in zip(found[0], scores, strict=True):
        assert f"{float(row['parameters']):,.0f}" in cells
        assert f"{float(row['latency_p50_ms']):.4g}" in cells
        metric = next(k for k in row if collect.is_metric(k))
        assert cells[1].split(" ±")[0] == f"{float(row[metric]):.4g}"
    exported = json.loads((root / "export" / "export_report.json").read_text())
    for name, entry in exported["files"].items():
        rows = [cells for cells in found[1] if cells[0] == name]
        assert len(rows) == max(1, len(entry.get("timing", ())))
        assert rows[0][1] == f"{entry['bytes']:,}"
        for cells, timing in zip(rows, entry.get("timing", ()), strict=False):
            assert cells[4] == f"{timing['p50_ms']:.4g}"


_TABLE = """Array.from(document.querySelectorAll("#%s-table tbody tr")).map(
  (row) => Array.from(row.cells).map((cell) => cell.innerText))"""
_SEEN = """(() => {
  const get = (id) => document.getElementById(id);
  const set = (id, value) => {
    get(id).value = value;
    get(id).dispatchEvent(new Event("input"));
  };
  const seen = [get("over").style.clipPath];
  set("slider", 80);
  seen.push(get("over").style.clipPath);
  const before = get("under").src;
  get("flip").click();
  seen.push(get("over").src === before);
  document.dispatchEvent(new KeyboardEvent("keydown", {key: "f"}));
  seen.push(get("under").src === before);
  const stack = get("stack"), box = stack.getBoundingClientRect();
  stack.setPointerCapture = () => {};
  const at = {clientX: box.left + box.width / 4};
  stack.dispatchEvent(new PointerEvent("pointerdown", at));
  seen.push(get("slider").value);
  set("truncation", "0.5");
  seen.push(get("under").src !== before);
  return seen;
})()"""


def _use(address, page, width, dark):
    """Opens a report, moves everything that moves and checks what a reader needs."""
    page.open(address, width, 900, dark)
    assert page.value(_SEEN) == [
        "inset(0px 0px 0px 50%)", "inset(0px 0px 0px 80%)", True, True, "25", True,
    ]  # fmt: skip
    assert page.value(
        "Promise.all(Array.from(document.images).map((i) => i.decode()))"
        ".then(() => Array.from(document.images).every((i) => i.naturalWidth > 0))"
    )
    assert page.value("document.documentElement.scrollWidth <= innerWidth")
    dim = page.value("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"[0-9]+", dim)[:3])) < 200) == dark
    # Everything that one operates has a name for a screen reader.
    page.call("Accessibility.enable")
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    kinds = ("button", "combobox", "slider", "image", "region", "link", "heading")
    named = [n for n in tree if n.get("role", {}).get("value") in kinds]
    assert {"button", "combobox", "slider", "image", "heading"} <= {
        node["role"]["value"] for node in named
    }
    assert all(
        node.get("name", {}).get("value") for node in named if not node["ignored"]
    )
    page.value("document.getElementById('slider').focus()")
    page.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight",
              code="ArrowRight", windowsVirtualKeyCode=39)  # fmt: skip
    assert page.value("document.getElementById('slider').value") == "26"
    page.call("Emulation.setEmulatedMedia", media="print")
    assert page.value(
        "getComputedStyle(document.getElementById('slider')).display"
    ) == ("none")
    page.call("Emulation.setEmulatedMedia", media="")
    assert page.errors == [] and set(page.requests) == {address}
    page.requests.clear()
