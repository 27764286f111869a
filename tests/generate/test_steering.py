"""Texts steered by the latent generator, from Python and from the command line, on a toy workspace."""

import json
import subprocess
import sys

import pytest

import kgrec
from kgrec.cli.app import main
from kgrec.errors import UsageError, UserError
from kgrec.testing import toy_workspace

TOY = ["linking.compare_meaning=false", "graph.store=false", "text.encoder=hashing", "scorers.latent.epochs=4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("toy"))
    settings = [*TOY, 'train.scorers=["item-knn"]', "generate.steer=latent"]
    project = kgrec.open(folder, overrides=settings)
    project.build_graph()
    report = project.train()
    assert {scorer.name for scorer in report.scorers} == {"item-knn", "latent", "popularity"}
    return folder


@pytest.fixture(scope="module")
def project(folder):
    return kgrec.open(folder)


def test_training_keeps_the_generator_whatever_its_weight(project):
    assert "latent" in project.ranker.scorers


def test_topics_are_values_of_the_facts(project):
    users = project.dataset.users["user_id"].to_list()[:8]
    texts = [project.generate(user, item="i02", steer="latent")[0] for user in users]
    told = [(set(text.topics), {fact.value for fact in text.facts}) for text in texts]
    assert all(topics <= values for topics, values in told)
    assert any(topics for topics, _ in told)
    assert len({text.topics for text in texts}) > 1  # two readers are steered differently
    plain = project.generate(users[0], item="i02")[0]
    assert plain.topics == ()
    assert sorted(fact.value for fact in plain.facts) == sorted(fact.value for fact in texts[0].facts)


def test_the_same_seed_gives_the_same_text(project, folder):
    (once,) = project.generate("u03", steer="latent")
    (again,) = kgrec.open(folder).generate("u03", steer="latent")
    assert (once.text, once.topics) == (again.text, again.topics)


def test_a_text_for_nobody_is_not_steered(project):
    (text,) = project.generate(item="i02", kind="summary", steer="latent")
    assert text.topics == ()


def test_by_what_else(project, tmp_path):
    with pytest.raises(UsageError, match="steered by"):
        project.generate("u03", steer="stars")
    other = kgrec.open(toy_workspace(tmp_path), overrides=TOY)
    other.build_graph()
    other.train(only=["item-knn"])
    with pytest.raises(UserError, match="no latent generator") as caught:
        other.generate("u03", steer="latent")
    assert "generate.steer=latent" in str(caught.value.hint)


def test_somebody_who_came_after_training_is_steered_by_what_they_did(folder, tmp_path):
    import shutil

    copied = tmp_path / "toy"
    shutil.copytree(folder, copied)
    likes = "user_id,item_id,action,rating,timestamp,text\n"
    likes += "newcomer,i01,like,,1700000000,\nnewcomer,i03,like,,1700000100,\n"
    (copied / "more.csv").write_text(likes, encoding="utf-8")
    project = kgrec.open(copied, overrides=TOY)
    project.build_graph(append=[copied / "more.csv"])
    (text,) = kgrec.open(copied).generate("newcomer", item="i05", steer="latent")
    assert set(text.topics) <= {fact.value for fact in text.facts}


def test_the_command_line(folder, capfd):
    assert main(["generate", "u03", "--steer", "latent", "--format", "json", "-w", str(folder), "-q"]) == 0
    (record,) = json.loads(capfd.readouterr().out)
    assert set(record["topics"]) <= {fact["value"] for fact in record["facts"]}
    assert main(["generate", "u03", "--steer", "stars", "-w", str(folder), "-q"]) == 2


def test_no_torch_is_needed_to_steer(folder):
    code = f"""
import sys
import kgrec
text = kgrec.open({str(folder)!r}).generate("u03", steer="latent")[0]
assert text.text
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
