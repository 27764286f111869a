import sys
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace

import pytest

from kgrec.errors import NotFoundError, PluginError
from kgrec.plugin import Domain, Mapping, RelationType, Spec, hookimpl
from kgrec.plugin.manager import OFFERS, load_plugins, misspelt_hooks

BRIGHT = RelationType("bright_as", label="bright as", inverse="as_bright", inverse_label="as bright")


@pytest.fixture
def install(monkeypatch):
    """Return a function that makes an entry point of functions, as an installed plugin would be found."""

    def make(name, **members):
        module = ModuleType(f"plugin_of_test_{name.replace('-', '_')}")
        for key, member in members.items():
            setattr(module, key, member)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return EntryPoint(name, module.__name__, "kgrec")

    return make


def offering(hook, answer):
    """Return an implementation of an offer hook that returns ``answer``."""

    def function():
        return answer

    function.__name__ = hook
    return {hook: hookimpl(function)}


def info(manager, name):
    (found,) = [plugin for plugin in manager.plugins if plugin.name == name]
    return found


def test_without_plugins_the_built_in_one_offers_everything():
    manager = load_plugins([])
    assert [plugin.name for plugin in manager.plugins] == ["kgrec"]
    for kind in OFFERS:
        assert len(manager.registry(kind)) > 0, kind
        assert {manager.registry(kind).owner(name) for name in manager.registry(kind)} == {"kgrec"}


def test_the_domains_are_found_by_their_entry_points():
    manager = load_plugins()
    for name in ("ecommerce", "news", "video"):
        assert info(manager, name).error == ""
        assert info(manager, name).distribution == f"kgrec-{name}"
        assert info(manager, name).version == "0.1.0"
        assert "kgrec_domains" in info(manager, name).hooks
        assert manager.registry("domain").owner(name) == name


def test_a_plugin_s_offers_join_the_built_in_ones(install):
    entry = install("stars", **offering("kgrec_scorers", [Spec("brightness", "stars:Brightness", "bright ones first")]))
    manager = load_plugins([entry])
    assert "brightness" in manager.registry("scorer")
    assert "als" in manager.registry("scorer")
    assert manager.registry("scorer").owner("brightness") == "stars"
    assert info(manager, "stars").hooks == ("kgrec_scorers",)


@pytest.mark.parametrize("statement", ["import there_is_no_such_module", "1 / 0", "raise SystemExit(3)", "def ("])
def test_a_plugin_that_cannot_be_imported_is_a_warning_with_its_reason(tmp_path, monkeypatch, statement):
    (tmp_path / "broken_plugin_of_test.py").write_text(statement)
    monkeypatch.syspath_prepend(tmp_path)
    manager = load_plugins([EntryPoint("broken", "broken_plugin_of_test", "kgrec")])
    monkeypatch.delitem(sys.modules, "broken_plugin_of_test", raising=False)
    reason = info(manager, "broken").error
    assert reason.split(":")[0] in ("ModuleNotFoundError", "ZeroDivisionError", "SystemExit", "SyntaxError")
    assert "als" in manager.registry("scorer"), "the others work on"


def test_a_misspelt_hook_names_the_right_one(install):
    manager = load_plugins([install("stars", **offering("kgrec_scorer", []))])
    assert info(manager, "stars").error == "there is no hook 'kgrec_scorer': did you mean 'kgrec_scorers'?"


def test_a_misspelt_hook_without_marker_is_found_as_well(install):
    manager = load_plugins([install("stars", kgrec_domain=lambda: [])])
    assert "did you mean 'kgrec_domains'" in info(manager, "stars").error


def test_a_hook_without_marker_says_which(install):
    manager = load_plugins([install("stars", kgrec_scorers=lambda: [])])
    assert info(manager, "stars").error == (
        "'kgrec_scorers' lacks the @hookimpl marker (from kgrec.plugin import hookimpl)"
    )
    assert info(manager, "stars").hooks == ()


def test_all_faults_are_said_at_once_and_helpers_are_none():
    module = ModuleType("several")
    module.kgrec_scorer = lambda: []
    module.kgrec_domains = lambda: []
    module.helper = lambda: []
    module.Spec = Spec
    assert len(misspelt_hooks(module)) == 2


def test_a_hook_with_an_unknown_argument_is_a_warning(install):
    @hookimpl
    def kgrec_relation_types(domain, colour):
        return []

    manager = load_plugins([install("stars", kgrec_relation_types=kgrec_relation_types)])
    assert "colour" in info(manager, "stars").error
    assert manager.domain("generic").name == "generic"


def test_what_has_the_name_of_another_s_is_left_out_and_told_once(install):
    specs = [Spec("als", "stars:ALS", "another one"), Spec("brightness", "stars:B", "bright")]
    manager = load_plugins([install("stars", **offering("kgrec_scorers", specs))])
    with pytest.warns(UserWarning, match="scorer 'als' of plugin 'stars' is left out: 'kgrec' has one; rename it"):
        scorers = manager.registry("scorer")
    assert scorers.owner("als") == "kgrec"
    assert scorers.owner("brightness") == "stars"
    manager.registry("scorer")
    assert len(manager.problems) == 1


def test_two_plugins_of_one_name(install):
    first = install("stars", **offering("kgrec_scorers", [Spec("brightness", "stars:Brightness", "bright ones")]))
    second = EntryPoint("stars", "kgrec.plugin.builtin", "kgrec")
    manager = load_plugins([first, second])
    assert [plugin.error for plugin in manager.plugins] == ["", "", "another plugin has this name"]
    assert "brightness" in manager.registry("scorer")


def test_disabled_plugins_stay_out(install, monkeypatch):
    entries = [
        install(name, **offering("kgrec_scorers", [Spec(name, f"{name}:Scorer", "a scorer")])) for name in ("a1", "b2")
    ]
    monkeypatch.setenv("KGREC_DISABLE", " b2, ")
    manager = load_plugins(entries)
    assert info(manager, "b2").error == "disabled by KGREC_DISABLE"
    assert "b2" not in manager.registry("scorer")
    assert "a1" in manager.registry("scorer")


def test_disabling_what_is_not_there_is_an_error(install, monkeypatch):
    monkeypatch.setenv("KGREC_DISABLE", "starz")
    with pytest.raises(NotFoundError, match="unknown plugin 'starz' in KGREC_DISABLE") as caught:
        load_plugins([install("stars", **offering("kgrec_scorers", []))])
    assert caught.value.hint == "did you mean 'stars'?"


def test_trace_tells_who_was_asked_what_on_stderr(install, monkeypatch, capsys):
    monkeypatch.setenv("KGREC_TRACE", "1")
    manager = load_plugins([install("stars", **offering("kgrec_scorers", [Spec("brightness", "s:B", "bright")]))])
    manager.registry("scorer")
    manager.domain("generic")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "stars: kgrec_scorers() -> [brightness]\n" in captured.err
    assert "kgrec: kgrec_domains() -> [generic]\n" in captured.err
    monkeypatch.delenv("KGREC_TRACE")
    manager.schema_mapping("generic", "a.csv", ["x"])
    assert capsys.readouterr().err == ""


def failing(*args):
    raise ZeroDivisionError("division by zero")


def test_a_plugin_that_raises_inside_a_hook_costs_its_answer_and_is_named(install):
    def kgrec_scorers():
        return failing()

    def kgrec_schema_mapping(domain, source, columns):
        return failing()

    hooks = {"kgrec_scorers": hookimpl(kgrec_scorers), "kgrec_schema_mapping": hookimpl(kgrec_schema_mapping)}
    manager = load_plugins([install("stars", **hooks)])
    with pytest.warns(UserWarning, match="plugin 'stars' failed in kgrec_scorers: ZeroDivisionError: division by zero"):
        assert "als" in manager.registry("scorer")
    with pytest.warns(UserWarning, match="plugin 'stars' failed in kgrec_schema_mapping"):
        assert manager.schema_mapping("generic", "a.csv", ["x"]) is None
    manager.schema_mapping("generic", "b.csv", ["x"])
    assert len(manager.problems) == 2, "told once"


def test_a_plugin_that_raises_inside_commands_costs_its_commands(install):
    def kgrec_commands():
        return failing()

    entries = [
        install("stars", kgrec_commands=hookimpl(kgrec_commands)),
        install("sun", **offering("kgrec_commands", [Spec("shine", "sun:shine", "bright"), Spec("info", "s:i", "x")])),
    ]
    manager = load_plugins(entries)
    with pytest.warns(UserWarning, match="stars|sun"):
        commands = manager.registry("command")
    assert commands.owner("shine") == "sun"
    assert commands.owner("info") == "kgrec"
    assert [problem.message for problem in manager.problems] == [
        "plugin 'stars' failed in kgrec_commands: ZeroDivisionError: division by zero",
        "command 'info' of plugin 'sun' is left out: 'kgrec' has one",
    ]
    assert info(manager, "stars").error == "", "its other offers stay"


@pytest.mark.parametrize(
    ("hook", "kind", "answer", "wrong"),
    [
        ("kgrec_scorers", "scorer", Spec("b", "s:B", "bright"), "Spec"),
        ("kgrec_scorers", "scorer", ["als"], "str"),
        ("kgrec_scorers", "scorer", {"b": 1}, "dict"),
        ("kgrec_domains", "domain", [Spec("b", "s:B", "bright")], "Spec"),
    ],
)
def test_an_offer_of_the_wrong_type_is_said_to_be(install, hook, kind, answer, wrong):
    manager = load_plugins([install("stars", **offering(hook, answer))])
    with pytest.warns(UserWarning, match=f"plugin 'stars' returned {wrong} from {hook}"):
        manager.registry(kind)


def test_an_offer_of_nothing_is_fine(install):
    manager = load_plugins([install("stars", **offering("kgrec_scorers", None))])
    assert "als" in manager.registry("scorer")


def test_relation_types_of_others_join_a_domain_once(install):
    def kgrec_relation_types(domain):
        return [BRIGHT] if domain.name == "generic" else []

    hooks = {"kgrec_relation_types": hookimpl(kgrec_relation_types)}
    manager = load_plugins([install("a1", **hooks), install("b2", **hooks)])
    assert manager.domain("generic").relation_types == (BRIGHT,)


def test_a_contradicting_relation_type_is_left_out(install):
    other = RelationType("bright_as", label="as bright as", inverse="as_bright", inverse_label="as bright")
    domain = Domain(name="sky", summary="stars", relation_types=(BRIGHT,))
    entries = [
        install("a1", **offering("kgrec_domains", [domain])),
        install("b2", kgrec_relation_types=hookimpl(lambda domain: [other])),
    ]
    entries[1].load().kgrec_relation_types.__name__ = "kgrec_relation_types"
    with pytest.warns(
        UserWarning, match="'bright_as' of plugin 'b2' is left out: domain 'sky' has another one, of 'a1'"
    ):
        assert load_plugins(entries).domain("sky").relation_types == (BRIGHT,)


def test_an_unknown_domain_names_near_ones():
    with pytest.raises(NotFoundError, match="unknown domain 'vidoe'") as caught:
        load_plugins().domain("vidoe")
    assert "'video'" in caught.value.hint


def test_the_mapping_loaded_last_is_asked_first_and_may_take_fewer_arguments(install):
    def first(domain, source, columns):
        return Mapping("items", {"id": "a1"})

    def second(source):
        return Mapping("items", {"id": "b2"}) if source == "mine.csv" else None

    entries = [
        install("a1", kgrec_schema_mapping=hookimpl(first)),
        install("b2", kgrec_schema_mapping=hookimpl(second)),
    ]
    manager = load_plugins(entries)
    assert manager.schema_mapping("generic", "mine.csv", ["x"]).columns == {"id": "b2"}
    assert manager.schema_mapping("generic", "other.csv", ["x"]).columns == {"id": "a1"}
    assert load_plugins([]).schema_mapping("generic", "other.csv", ["x"]) is None


def test_a_module_of_a_notebook_is_a_plugin_too():
    class Mine:
        @hookimpl
        def kgrec_scorers(self):
            return [Spec("mine", "kgrec.models.popularity:Popularity", "for a notebook")]

    assert "mine" in load_plugins([], also=[Mine()]).registry("scorer")
    with pytest.raises(PluginError, match="contract"):
        load_plugins([], also=[SimpleNamespace(contract=7)])


def test_what_a_plugin_for_another_field_offers_joins_only_where_it_is_named(installed):
    place, _ = installed
    code = place / "kgrec_far_of_test.py"
    code.write_text(code.read_text().replace("kgrec_scorers", "kgrec_guards"))
    manager = load_plugins()
    own = list(load_plugins([]).registry("guard"))
    assert manager.joining("guard", "generic", {}) == own
    assert manager.joining("guard", "generic", {"far": {}}) == [*own, "far"]
    assert manager.joining("guard", "away", {}) == [*own, "far"]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a plugin whose import leaves a line in a file; return its folder and that file."""
    place, told = tmp_path / "site", tmp_path / "imports.txt"
    about = place / "kgrec_far-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: kgrec-far\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[kgrec]\nfar = kgrec_far_of_test\n")
    (place / "kgrec_far_of_test.py").write_text(
        f"with open({str(told)!r}, 'a') as file: file.write('x')\n"
        "from kgrec.plugin import Domain, Spec, hookimpl\n"
        "@hookimpl\ndef kgrec_scorers():\n"
        "    return [Spec('far', 'kgrec_far_of_test:Far', 'far', default=False, family='graph')]\n"
        "@hookimpl\ndef kgrec_domains():\n    return [Domain('away', 'far away', may_say=frozenset({'age'}))]\n"
        "class Far: pass\n"
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(place)
    monkeypatch.delitem(sys.modules, "kgrec_far_of_test", raising=False)
    return place, told


def imports(told):
    """Start as a new process would; return how often the plugin was imported so far."""
    sys.modules.pop("kgrec_far_of_test", None)
    return len(told.read_text()) if told.exists() else 0


def test_an_installed_plugin_is_imported_when_something_of_it_is_used(installed):
    _, told = installed
    first = load_plugins()
    scorer, domain = first.registry("scorer")["far"], first.domain("away")
    assert imports(told) == 1
    again = load_plugins()
    assert info(again, "far") == info(first, "far")
    assert again.registry("scorer")["far"] == scorer
    assert again.registry("scorer")["far"].owner == scorer.owner
    assert "away" in again.registry("domain")
    assert again.domain("video").name == "video"
    assert "kgrec" in [known.name for known in again.plugins]
    assert imports(told) == 1, "the lists, and other domains, do without it"
    assert again.domain("away") == domain
    assert imports(told) == 2
    again.registry("scorer")["far"].load()
    assert imports(told) == 3
    load_plugins().afresh()
    assert imports(told) == 4


def test_what_is_remembered_of_plugins_ends_when_something_is_installed(installed, tmp_path):
    place, told = installed
    load_plugins().registry("scorer")
    (place / "another-1.0.dist-info").mkdir()
    assert imports(told) == 1
    load_plugins().registry("scorer")
    assert imports(told) == 2
    (kept,) = (tmp_path / "cache" / "kgrec").iterdir()
    for broken in ("", "[]", '{"environment": 3}', "{" * 100_000):
        kept.write_text(broken)
        count = imports(told)
        load_plugins().registry("scorer")
        assert imports(told) == count + 1, "what cannot be read is made again"


def test_a_remembered_plugin_that_breaks_is_told_about_and_costs_itself(installed):
    place, told = installed
    load_plugins().registry("domain")
    imports(told)
    (place / "kgrec_far_of_test.py").write_text("import there_is_no_such_module")
    manager = load_plugins()
    assert "away" in manager.registry("domain")
    with (
        pytest.raises(PluginError, match="no longer has the domain 'away'"),
        pytest.warns(UserWarning, match="'far' is broken"),
    ):
        manager.domain("away")
    assert "ModuleNotFoundError" in info(manager, "far").error


def test_a_plugin_slow_to_import_is_told_about_once(installed, monkeypatch):
    _, told = installed
    monkeypatch.setattr("kgrec.plugin.manager.SLOW", 0.0)
    assert [
        "'far' takes 0.0 s" in problem.message for problem in load_plugins().problems if "far" in problem.message
    ] == [True]
    manager = load_plugins()
    manager.registry("scorer")
    imports(told)
    assert load_plugins().problems == []
