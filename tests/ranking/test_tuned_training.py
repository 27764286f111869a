"""Tuning from Python: what is found is used later, until it is forgotten."""

import kgrec
from kgrec.ranking import tuned
from kgrec.testing import toy_workspace

ONLY = ["popularity", "item-knn"]


def test_tuned_options_are_used_by_later_trainings_until_they_are_forgotten(tmp_path):
    folder = toy_workspace(tmp_path / "workspace")
    overrides = ["text.encoder=hashing"]
    project = kgrec.open(folder, overrides=overrides)
    project.build_graph()
    report = project.train(only=ONLY, tune=0.03)
    assert [one.name for one in report.tuned] == ["item-knn"]  # popularity states no space
    best = report.tuned[0]
    assert best.ndcg >= best.own_ndcg
    assert report.facts["tuned"] == "item-knn"
    assert report.facts["refit"] == "yes"

    def options(**asked):
        found = kgrec.open(folder, overrides=overrides).train(only=ONLY, **asked)
        assert found.tuned == ()
        return next(r.options for r in found.scorers if r.name == "item-knn")

    later = options()
    assert {name: later[name] for name in best.options} == best.options
    store = folder / "artifacts" / "tuning"
    one = tuned.load(store)["item-knn"]
    tuned.save(store, [tuned.Tuned("item-knn", {"neighbours": 17}, 1.0, 1.0, 1, 0, one.made_from)])
    assert options()["neighbours"] == 17
    options(reset_tuning=True)
    assert not store.exists()
    assert options().get("neighbours") != 17
