"""Commands of two words, ``kgrec generate evaluate``, beside the command that their first word is."""

import pytest
import typer
from typer.main import get_command

from kgrec.cli.application import _Group


@pytest.fixture
def called():
    app, said = typer.Typer(cls=_Group, invoke_without_command=True), []

    @app.callback()
    def top():
        """Show nothing."""

    @app.command("write")
    def write(user: str = "nobody", arguments: list[str] = typer.Argument(None)):
        said.append(("write", *(arguments or ())))

    @app.command("write evaluate")
    def evaluate(users: int = 3):
        said.append(("evaluate", users))

    def run(*words):
        said.clear()
        get_command(app).main(args=list(words), standalone_mode=False)
        return said[-1]

    return run


def test_the_longer_name_goes_first(called):
    assert called("write", "evaluate", "--users", "5") == ("evaluate", 5)
    assert called("write", "anna") == ("write", "anna")
    assert called("write") == ("write",)


def test_somebody_of_that_name_can_be_reached(called):
    assert called("write", "--", "evaluate") == ("write", "evaluate")
