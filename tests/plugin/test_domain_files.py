"""A domain that lies in files: what it may say, what it shares with others, and what is said of mistakes."""

import hashlib
import re
import shutil
import tomllib
from dataclasses import replace

import numpy as np
import pytest

from kgrec.config import Config
from kgrec.data.ingest import ingest
from kgrec.data.propose import propose
from kgrec.errors import PluginError
from kgrec.plugin import Domain, PromptTemplate, domain_hook, hookimpl, read_domain
from kgrec.plugin.manager import load_plugins
from kgrec.plugin.sample_files import planted_likes, write_sample
from kgrec.project import open_project
from kgrec.testing import DomainContract

GARDEN = """
name = "garden"
summary = "plants"
sensitive = ["allergies"]
currencies = ["seeds"]
[action_words]
watered = "like"
"dug up" = "dislike"
[relations.has_tag]
[relations.grown_by]
inverse = "grower_of"
tail = "person"
aliases = ["wdt:P1", "schema:grower"]
[attributes]
growers = { relation = "grown_by", separator = ";", aliases = ["nursery"] }
height = ["tall"]
[[patterns]]
relation = "grown_by"
language = "en"
pattern = 'grown by <name>'
[languages.en]
noun = "plant"
relations.grown_by = { reason = "{entity} grew this one too" }
"""


@pytest.fixture
def package(tmp_path, monkeypatch, request):
    """Writes files of a package and returns its name; each test has a name of its own, for what is read is kept."""

    def write(told, **files):
        name = f"kgrec_{hashlib.md5(request.node.name.encode()).hexdigest()}"
        root = tmp_path / name
        shutil.rmtree(root, ignore_errors=True)
        for path, text in {"__init__.py": "", "domain.toml": told, **files}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        return name

    return write


class TestGarden(DomainContract):
    @pytest.fixture(autouse=True)
    def _package(self, package):
        self.package = package(GARDEN)

    def make(self):
        return read_domain(self.package)


def test_words_are_the_domains_own_and_those_that_domains_share(package):
    name = package(GARDEN, **{"languages/zh.toml": 'noun = "植物"\n[relations.grown_by]\nlabel = "种植"\n'})
    domain = read_domain(name)
    tag, grown = domain.relation_types
    assert (tag.label, tag.tail, tag.common) == ("tagged", "tag", True)
    assert [bool(tag.reason_in(code)) for code in ("en", "de", "zh")] == [True, True, True]
    assert (grown.label, grown.inverse_label, grown.label_in("zh")) == ("grown by", "grower of", "种植")
    assert (grown.reason_in("en"), grown.reason_in("zh")) == ("{entity} grew this one too", "")
    assert (domain.noun("en"), domain.noun("zh")) == ("plant", "植物")
    assert {"wdt:P1", "P1", "http://www.wikidata.org/prop/direct/P1", "https://schema.org/grower"} <= set(grown.aliases)
    assert domain.attributes["height"].aliases == ("tall",)
    found = re.search(domain.patterns[0].pattern, "It was grown by Ada M. Rose in Kew")
    assert found is not None
    assert found["entity"] == "Ada M. Rose"


@pytest.mark.parametrize(
    ("told", "what"),
    [
        ('name = "g"\nsummary = "s"\nsampel = "x"', "there is no 'sampel'"),
        ('name = "g"\nsummary = "s"\n[relations.grown_by]\ninverze = "x"', "relations.grown_by: there is no 'inverze'"),
        ('name = "g"\nsummary = "s"\n[relations.grown_by]', "relations.grown_by: .*inverse"),
        ('name = "g"\n', "summary"),
        ('name = "g', "cannot be read"),
        ("", "name"),
    ],
)
def test_mistakes_are_named_with_file_and_key(package, told, what):
    with pytest.raises(PluginError, match=rf"domain\.toml.*{what}"):
        read_domain.__wrapped__(package(told))


def test_words_of_the_field_stand_for_actions_without_kgrec_toml_saying_so(package, tmp_path):
    name = package(GARDEN)

    class Plugin:
        kgrec_domains = staticmethod(domain_hook(name))

    (tmp_path / "log.csv").write_text("user,item,action\nu1,i1,Watered\nu1,i2,dug up\nu2,i1,frobbed\n")
    told = {"domain": "garden", "data": {"interactions": [{"path": "log.csv"}]}}
    manager = load_plugins([], also=[Plugin()])
    dataset = ingest(Config.model_validate(told), manager.domain("garden"), manager, tmp_path).dataset
    assert dataset.interactions["action"].to_list() == ["like", "dislike"]


def test_marks_of_prices_and_what_nobody_may_be_told_belong_to_the_field(package, tmp_path):
    name = package(GARDEN)

    class Plugin:
        kgrec_domains = staticmethod(domain_hook(name))

    rows = [(f"u{k}", f"i{k % 7}", "watered") for k in range(40)]
    tables = {
        "log.csv": ("user,item,action", rows),
        "plants.csv": ("item,title,tall", [(f"i{k}", f"Plant {k}", f"seeds {k + 2}.5") for k in range(7)]),
        "people.csv": ("user,allergies,town", [(f"u{k}", "abc"[k % 3], "xyz"[k % 3]) for k in range(40)]),
    }
    for file, (head, lines) in tables.items():
        (tmp_path / file).write_text("\n".join([head, *(",".join(line) for line in lines)]))
    manager = load_plugins([], also=[Plugin()])
    told = propose([tmp_path / file for file in tables], "garden", manager, folder=tmp_path)
    assert 'column = "allergies", relation = "allergies", private = true' in told
    assert told.count("private") == 1
    config = Config.model_validate(tomllib.loads(told))
    items = ingest(config, manager.domain("garden"), manager, tmp_path).dataset.items.sort("item_id")
    assert items["height"].cast(float).to_list() == [k + 2.5 for k in range(7)]


SAMPLE = """
users = 80
each = 6
liked = "growers"
titles = ["{colour} {plant}"]
descriptions = ["A {plant} of {height} cm, sown {sown}."]
names_it = "It was grown by {}."
actions = { watered = 0.8, "dug up" = 0.2 }
hours = [6, 9]
[words]
colour = ["Red", "White", "Blue", "Yellow", "Pink", "Dark"]
plant = ["rose", "lily", "fern", "moss", "ivy", "sage", "mint", "iris", "reed"]
[attributes]
growers = ["Ada Rose", "Ben Moss", "Cleo Fern", "Dan Reed", "Eve Sage", "Fay Ivy"]
height = { low = 5, high = 90 }
sown = { low = 2024-03-01, high = 2024-05-30 }
[people]
town = ["Kew", "Bath"]
[[edges]]
relation = "followed_by"
from = "items"
to = "items"
[[edges]]
relation = "follows"
from = "users"
to = "users"
share = 0.5
"""
FOLLOWS = """[relations.followed_by]
[relations.follows]
inverse = "followers"
head = "user"
tail = "user"
"""
SHARED = GARDEN.replace("[relations.has_tag]\n", FOLLOWS)


def test_a_sample_as_data_is_read_as_it_says_and_its_likes_are_found(package, tmp_path):
    name = package(SHARED, **{"sample.toml": SAMPLE})
    target = read_domain(name).sample
    (tmp_path / "ws").mkdir()
    write_sample(target, tmp_path / "ws", 5)
    plugin = type("Plugin", (), {"kgrec_domains": staticmethod(domain_hook(name))})()
    project = open_project(tmp_path / "ws", plugins=[plugin])
    project.build_graph()
    dataset, kg = project.dataset, project.graph
    assert set(dataset.interactions["action"]) == {"like", "dislike"}
    edges = dict(kg.relations["name"].gather(kg.edges["relation"]).value_counts().iter_rows())
    assert edges["followed_by"] > 20
    assert edges["follows"] > 20
    seen = np.zeros((dataset.n_users, dataset.n_items))
    seen[dataset.interactions["user"], dataset.interactions["item"]] = 1
    likes = planted_likes(name, 5)
    users, items = (
        {key: k for k, key in enumerate(ids)} for ids in (dataset.users["user_id"], dataset.items["item_id"])
    )
    held = np.zeros(seen.shape, dtype=bool)
    for user, liked in likes.items():
        for item, kind in liked.items():
            if kind == "warm" and user in users and item in items:
                held[users[user], items[item]] = True
    scores = np.where(seen > 0, -np.inf, seen @ (seen.T @ seen))
    top = np.argsort(-scores, axis=1)[:, :3]
    assert np.take_along_axis(held, top, axis=1).mean() > 0.5 > 4 * held.mean()


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('liked = "growers"', 'liked = "growerz"', "growerz"),
        ("users = 80", "userz = 80", "there is no 'userz'"),
        ('"Dark"]', '"Dark"', "sample.toml"),
        ('titles = ["{colour} {plant}"]', 'titles = ["{colour}"]', "6 titles, 36 are needed"),
    ],
)
def test_a_sample_that_cannot_be_drawn_is_refused_with_the_reason(package, tmp_path, old, new, what):
    name = package(SHARED, **{"sample.toml": SAMPLE.replace(old, new)})
    with pytest.raises(PluginError, match=what):
        write_sample(f"{name}:sample.toml", tmp_path, 5)


def test_prompts_of_the_domain_come_before_kgrecs_and_after_those_of_other_plugins(package):
    name = package(GARDEN, **{"prompts/blurb.en.txt": "{facts}", "prompts/blurb.en@brief.txt": "{facts} brief"})

    class Plugin:
        kgrec_domains = staticmethod(domain_hook(name))

    class Other:
        @hookimpl
        def kgrec_prompt_template(self, domain: Domain, task: str):
            return PromptTemplate("mine", "{facts}!") if (domain.name, task) == ("garden", "summary.en") else None

    manager = load_plugins([], also=[Plugin(), Other()])
    assert manager.prompt_template("garden", "blurb.en").name == "garden/blurb.en"
    assert manager.prompt_template("garden", "summary.en").name == "mine"
    assert manager.prompt_template("garden", "push.en").name == "default.en"
    assert manager.prompt_variants("garden", "blurb.en") == ["brief"]
    assert manager.prompt_variants("generic", "blurb.en") == []


def test_a_recipe_takes_the_first_of_several_columns(package):
    recipe = '[[file]]\nhas = ["name"]\nrole = "items"\ncolumns = { id = ["sku", "code"], title = "name" }\n'
    recipe += 'attributes.height = { column = ["cm", "inches"] }\n'
    name = package(GARDEN, **{"recipes/shop.toml": recipe})
    manager = load_plugins([], also=[type("Plugin", (), {"kgrec_domains": staticmethod(domain_hook(name))})()])
    found = manager.schema_mapping("garden", "x.csv", ["code", "name", "inches"])
    assert found.columns == {"id": "code", "title": "name"}
    assert found.attributes["height"].column == "inches"
    assert manager.schema_mapping("garden", "x.csv", ["code", "sku", "name"]).columns["id"] == "sku"
    assert manager.schema_mapping("garden", "x.csv", ["code"]) is None


def test_a_domain_in_code_may_be_changed_by_keyword(package):
    domain = replace(read_domain(package(GARDEN)), action_weights={"like": 2.0})
    assert domain.action_weights == {"like": 2.0}
