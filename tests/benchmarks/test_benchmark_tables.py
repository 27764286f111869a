import itertools
import xml.etree.ElementTree as ET

import numpy as np
import pytest

PAGE = "head\n<!-- begin one -->\nold\n<!-- end one -->\ntail\n"


def test_only_what_is_between_the_markers_changes(load):
    render = load("report.render").render
    page = render(PAGE, {"one": lambda: [r"new \1 table", "second"]})
    assert page == "head\n<!-- begin one -->\n\nnew \\1 table\n\nsecond\n\n<!-- end one -->\ntail\n"
    assert render(page, {"one": lambda: [r"new \1 table", "second"]}) == page


def test_a_missing_marker_is_told(load):
    with pytest.raises(ValueError, match="no markers for two"):
        load("report.render").render(PAGE, {"two": list})


def test_the_page_has_all_markers(load):
    render = load("report.render")
    page = (load("adapters").ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert render.render(page, dict.fromkeys(render.PARTS, list))


def test_kgrec_is_compared_with_the_best_peer_on_the_same_users(load):
    rng = np.random.default_rng(0)
    weak, strong = rng.random(500), 0.5 + rng.random(500)
    per_user = {"kgrec": {"ndcg@20": strong * 1.1}, "ease": {"ndcg@20": strong}, "als": {"ndcg@20": weak}}
    (said,) = load("report.accuracy").versus(("ndcg@20",), per_user)
    assert "NDCG@20 **+10.0%** [+10.0%, +10.0%] over EASE" in said


def test_goals_are_met_or_short_and_never_silent(load, monkeypatch):
    goals = load("report.goals")
    assert goals.verdict(0.292, 0.292) == "met"
    assert goals.verdict(0.28, 0.292) == "4.11 % short"
    rng = np.random.default_rng(0)
    peer = 0.5 + rng.random(400)
    done = {"kgrec": {"ndcg@20": peer * 1.05}, "ease": {"ndcg@20": peer}, "als": {"ndcg@20": peer / 2}}
    monkeypatch.setattr(goals, "_done", lambda _: dict(done))
    wanted = {"shares": {"set": {"ndcg@20": 0.08}}, "figures": {"set": {"ndcg@20": 0.3}}}
    monkeypatch.setattr(goals, "goals", lambda: wanted)
    assert next(iter(goals._shares()))[1:] == ("+8%", "+5.0% [+5.0%, +5.0%] over EASE", "short")
    assert next(iter(goals._figures()))[-1] == "met"
    monkeypatch.setattr(goals, "_done", lambda _: {})
    assert [row[-1] for row in (*goals._shares(), *goals._figures())] == ["not measured"] * 2


def test_a_peer_that_could_not_be_installed_is_in_the_table(load):
    found = {"ease": {"status": "not installed", "message": "no such package"}}
    lines = load("report.accuracy").table(("ndcg@20",), found, {}, [])
    assert "not installed: no such package" in lines[-1]


def test_unknown_cells_are_refused(load):
    run_all, cells = load("run_all"), load("cells").cells()
    assert {cell.place.name for cell in run_all.chosen(cells, ["lastfm-lightkg,ease"], [])} == {"ease"}
    assert all(cell.place.name != "kgrec" for cell in run_all.chosen(cells, ["ml-100k"], ["kgrec"]))
    with pytest.raises(SystemExit, match="unknown: esae"):
        run_all.chosen(cells, ["ml-100k,esae"], [])


def test_results_that_a_cell_needs_come_before_it(load):
    places = [cell.place for cell in load("cells").cells()]
    assert len(set(places)) == len(places)
    for cell in load("cells").cells():
        assert all(places.index(need) < places.index(cell.place) for need in cell.needs)


def test_auc_counts_pairs(load):
    auc = load("click_auc").auc
    rng = np.random.default_rng(1)
    scores, clicked = rng.integers(0, 5, 40).astype(float), rng.random(40) < 0.4
    pairs = list(itertools.product(scores[clicked], scores[~clicked]))
    expected = np.mean([1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs])
    assert auc(scores, clicked) == pytest.approx(expected)


def test_the_slope_of_a_power_law_is_its_exponent(load):
    cost = load("cost_vs_size")
    sizes = [1000, 2000, 4000, 8000]
    assert cost.slopes(sizes, [1e-4 * n**1.5 for n in sizes]) == {"slope": 1.5, "last": 1.5}


def test_made_pairs_are_distinct_and_unequal(load):
    cost = load("cost_vs_size")
    pairs = cost.pairs(np.random.default_rng(0), 200, 100, 3000)
    assert len(np.unique(pairs, axis=0)) == 3000
    degrees = np.sort(np.bincount(pairs[:, 1], minlength=100))[::-1]
    assert degrees[0] > 4 * np.median(degrees)


def test_the_chart_is_well_formed(load):
    point = {"train": {"cpu_seconds": 2.0, "peak_mib": 300.0}}
    svg = load("cost_plot").plot({"items": {1000: point, 2000: point}}, ["train"])
    assert len(ET.fromstring(svg).findall(".//{*}polyline")) == 2


def test_a_shuffled_graph_keeps_heads_and_relations(load, tmp_path):
    file = tmp_path / "kg.tsv"
    rows = [f"h{n}\tr{n % 3}\tt{n}" for n in range(60)]
    file.write_text("\n".join(["head\trelation\ttail", *rows]) + "\n")
    datasets, variants = load("adapters"), load("variants")
    config = "[[data.items]]\npath = 1\n[[data.triples]]\npath = 2\n"
    prepared = datasets.Prepared("generic", (file,), config, file, file)
    assert variants.with_graph(prepared, "none").config == "[[data.items]]\npath = 1\n"
    assert variants.with_graph(prepared, "true") == prepared
    variants.with_graph(prepared, "shuffled")
    found = [line.split("\t") for line in file.read_text().splitlines()[1:]]
    assert sorted((h, r) for h, r, _ in found) == sorted((f"h{n}", f"r{n % 3}") for n in range(60))
    assert all(int(tail[1:]) % 3 == int(relation[1:]) for _, relation, tail in found)
    assert sum(head[1:] == tail[1:] for head, _, tail in found) < 20


def test_ablations_show_leads_and_what_is_owed_to_the_graph(load, monkeypatch):
    figure = {"mean": 0.3, "low": 0.28, "high": 0.32, "n": 9}
    compared = {"difference": 0.01, "low": -0.001, "high": 0.02, "p": 0.02, "effect": 0.1, "n": 9, "wins": 0.6}
    report = {
        "systems": [
            {"name": "full", "metrics": {"recall@20": figure, "ndcg@20": figure}},
            {"name": "without graph", "metrics": {"recall@20": figure, "ndcg@20": figure}},
            {"name": "only content", "skipped": "no text", "metrics": {}},
        ],
        "comparisons": [
            {"by": "activity", "system": "without graph", "paired": {}, "p_holm": 1.0},
            {"by": "", "system": "without graph", "paired": compared, "p_holm": 0.04},
        ],
        "graph_utilisation": {"without graph": {"mean": 0.033, "low": -0.01, "high": 0.05, "n": 9}},
    }
    tables = load("report.ablations")
    lines = load("ablations").lines(report, 20)
    monkeypatch.setattr(tables, "ABLATED", ("set",))
    monkeypatch.setattr(tables, "lines_of", lambda *_: lines)
    table, owed = tables.tables()
    rows = table.splitlines()
    assert len({row.count("|") for row in rows}) == 1
    assert "+0.0100 [-0.0010, +0.0200] | 0.040" in rows[3]
    assert "no text" in rows[4]
    assert owed == "Graph utilisation against without graph, NDCG@20: +3.3% [-1.0%, +5.0%]."
