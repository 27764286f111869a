import sys
from types import ModuleType

import pytest

from kgrec.errors import ConfigError, MissingExtraError, NotFoundError, PluginError
from kgrec.plugin import Spec
from kgrec.plugin.manager import Owned, Registry


class Lamp:
    def __init__(self, *, power=1, _hidden=0):
        if power < 0:
            raise ValueError("power must be positive")
        self.power = power


NO_CLASS = 3


@pytest.fixture
def lamp(monkeypatch):
    module = ModuleType("lamp_of_test")
    module.Lamp, module.NO_CLASS = Lamp, NO_CLASS
    monkeypatch.setitem(sys.modules, "lamp_of_test", module)
    return Spec("lamp", "lamp_of_test:Lamp", "a lamp")


def test_a_spec_builds_its_class_from_options(lamp):
    assert lamp.load() is Lamp
    assert lamp.build({"power": 5}).power == 5
    assert lamp.build().power == 1


@pytest.mark.parametrize("options", [{"pwoer": 5}, {"power": -1}])
def test_unusable_options_name_table_and_known_options(lamp, options):
    with pytest.raises(ConfigError, match=r"^\[scorers\.lamp\]: ") as caught:
        lamp.build(options, table="scorers.lamp")
    assert caught.value.hint == "known options: power"


def test_a_spec_that_leads_nowhere(lamp):
    with pytest.raises(PluginError, match="'lamp_of_test' has no 'Lmap'") as caught:
        Spec("lamp", "lamp_of_test:Lmap", "a lamp").load()
    assert "'Lamp'" in caught.value.hint
    with pytest.raises(PluginError, match="is no class"):
        Spec("lamp", "lamp_of_test:NO_CLASS", "a lamp").load()
    with pytest.raises(PluginError, match="cannot be imported"):
        Spec("lamp", "there_is_no_such_module:Lamp", "a lamp").load()


def test_a_missing_package_of_an_extra_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "needy_of_test.py").write_text("import there_is_no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError) as caught:
        Spec("lamp", "needy_of_test:Lamp", "a lamp", extra="lamps").load()
    assert caught.value.hint == "pip install 'kgrec[lamps]'"
    with pytest.raises(PluginError, match="there_is_no_such_package"):
        Spec("lamp", "needy_of_test:Lamp", "a lamp").load()


def test_a_registry_keeps_the_order_of_offers():
    registry = Registry("lamp", [Owned(Spec(name, "m:C", name), "me") for name in ("b", "a", "c")])
    assert list(registry) == ["b", "a", "c"]
    assert [name for name, _ in registry.items()] == ["b", "a", "c"]
    with pytest.raises(NotFoundError, match="unknown lamp 'd'"):
        registry["d"]
