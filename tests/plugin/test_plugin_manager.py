import sys
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace

import pytest

from kgrec.errors import MissingExtraError, NotFoundError, PluginError
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


def test_a_name_clash_names_both_owners(install):
    spec = Spec("als", "stars:ALS", "another one")
    manager = load_plugins([install("stars", **offering("kgrec_scorers", [spec]))])
    with pytest.raises(PluginError, match="scorer 'als' is offered by both 'kgrec' and 'stars'") as caught:
        manager.registry("scorer")
    assert "KGREC_DISABLE=stars" in caught.value.hint


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


def test_a_plugin_that_raises_inside_an_offer_is_named(install):
    def kgrec_scorers():
        return failing()

    manager = load_plugins([install("stars", kgrec_scorers=hookimpl(kgrec_scorers))])
    with pytest.raises(
        PluginError, match="plugin 'stars' failed in kgrec_scorers: ZeroDivisionError: division by zero"
    ):
        manager.registry("scorer")
    assert len(manager.registry("domain")) == 1, "other kinds are not affected"


def test_a_plugin_that_raises_inside_a_mapping_is_named(install):
    def kgrec_schema_mapping(domain, source, columns):
        return failing()

    manager = load_plugins([install("stars", kgrec_schema_mapping=hookimpl(kgrec_schema_mapping))])
    with pytest.raises(PluginError, match="plugin 'stars' failed in kgrec_schema_mapping"):
        manager.schema_mapping("generic", "a.csv", ["x"])


def test_a_plugin_that_raises_inside_commands_costs_its_commands(install):
    def kgrec_commands():
        return failing()

    entries = [
        install("stars", kgrec_commands=hookimpl(kgrec_commands)),
        install("sun", **offering("kgrec_commands", [Spec("shine", "sun:shine", "bright"), Spec("info", "s:i", "x")])),
    ]
    manager = load_plugins(entries)
    commands = manager.registry("command")
    assert commands.owner("shine") == "sun"
    assert commands.owner("info") == "kgrec"
    assert [problem.message for problem in manager.problems] == [
        "plugin 'stars' failed in kgrec_commands: ZeroDivisionError: division by zero",
        "command 'info' of plugin 'sun' is left out: 'kgrec' has one",
    ]
    assert info(manager, "stars").error == "", "its other offers stay"


def test_a_plugin_s_own_kgrec_error_passes_as_it_is(install):
    def kgrec_scorers():
        raise MissingExtraError.of("brightness", "stars")

    manager = load_plugins([install("stars", kgrec_scorers=hookimpl(kgrec_scorers))])
    with pytest.raises(MissingExtraError):
        manager.registry("scorer")


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
    with pytest.raises(PluginError, match=f"plugin 'stars' returned {wrong} from {hook}"):
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


def test_contradicting_relation_types_name_both_owners(install):
    other = RelationType("bright_as", label="as bright as", inverse="as_bright", inverse_label="as bright")
    domain = Domain(name="sky", summary="stars", relation_types=(BRIGHT,))
    entries = [
        install("a1", **offering("kgrec_domains", [domain])),
        install("b2", kgrec_relation_types=hookimpl(lambda domain: [other])),
    ]
    entries[1].load().kgrec_relation_types.__name__ = "kgrec_relation_types"
    with pytest.raises(PluginError, match="'bright_as' of domain 'sky' is stated differently by 'a1' and 'b2'"):
        load_plugins(entries).domain("sky")


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
