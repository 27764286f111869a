"""Kills commands at random and aimed moments, and looks at what is left.

``python kills.py FOLDER SEED RANDOM AIMED [NAMES]``: so many kills of all commands together, or of those named.

Each command runs in a fork of this process, which only imports. A random kill comes at a moment drawn from the time
that the command takes; an aimed one right before the k-th change of a file or folder. After each kill the workspace
must answer as before or as after, the same command must run through, what comes out must be what an undisturbed run
gives, and nothing of the killed one may be left.
"""

import importlib
import json
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

LEFT = re.compile(r"\..*\.kgrec-[0-9a-f]{12}|\.tmp-.*")
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "os.truncate"}
COMMANDS = {
    "build": ["build-graph"],
    "append": ["build-graph", "--append", "{root}/more.csv"],
    "train": ["train"],
    "evaluate": ["evaluate", "--only", "popularity", "-k", "3"],
    "lists": ["recommend", "--all", "-n", "3", "--out", "{root}/lists.csv"],
    "texts": ["generate", "--all", "-n", "2", "--kind", "blurb", "--out", "{root}/texts.jsonl"],
    "export": ["graph", "export", "{root}/graph.nt"],
    "enrich": ["generate", "enrich", "--out", "{root}/words.csv"],
    "forget": ["forget", "u3"],
    "rewriting forget": ["forget", "u3", "--rewrite-inputs"],
    "trust": ["trust", "path", "/usr"],
    "parts": ["recommend", "--all", "-n", "3", "--parts", "{root}/parts"],
    "person": ["export-user", "u1", "--out", "{root}/mine"],
    "feedback": ["generate", "feedback", "--from", "{root}/feedback.csv"],
    "review": ["generate", "review", "-n", "0", "--out", "{root}/approved.json"],
    "exported events": ["serve", "--export"],
    "page": ["check", "--html", "{root}/check.html"],
    "simulated": ["simulate", "--rounds", "1", "--only", "popularity", "-n", "3", "--out", "{root}/simulated.json"],
    "run": ["runs", "export", "latest", "--out", "{root}/run"],
    "own plugin": ["plugins", "new", "scorer", "mine", "--local"],
    "key": ["keys", "add", "me", "--scope", "read"],
    "import": ["an import while serving"],
}
IMPORTED = 400
"""Events of the import."""
PRELOADED = ("kgrec", "polars", "numpy", "scipy", "rdflib", "pyoxigraph", "pydantic", "tomlkit", "rich", "typer")
OUTPUTS = ("lists.csv", "texts.jsonl", "graph.nt", "words.csv", "parts/part-00001.parquet", "mine/summary.md")
OUTPUTS += ("approved.json", "check.html", "simulated.json", "log.csv", "orders.csv")


def in_child(work, *, kill_after=None):
    """Run ``work`` in a fork; return its exit code (negative: the signal), and how long it took."""
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        code = 99
        try:
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 1)
                os.dup2(nowhere.fileno(), 2)
            code = work()
        finally:
            os._exit(code or 0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), time.perf_counter() - started


def command(root, words):
    """Return what runs a command."""

    if words == COMMANDS["import"]:
        return lambda: imported(root)

    def run():
        from kgrec.cli.app import main

        return main([*[word.replace("{root}", str(root)) for word in words], "-w", str(root), "-q"])

    return run


def imported(root):
    """Take events in bulk as a server does."""
    import kgrec
    from kgrec.serve.jobs import Jobs

    live = kgrec.open(root).live
    jobs = Jobs(live, root)
    job = jobs.new("import", "events")
    rows = [
        {"user_id": f"u{k % 30}", "item_id": f"i{k % 24}", "action": "like", "event_id": f"e{k}", "time": 1.7e9}
        for k in range(IMPORTED)
    ]
    jobs.file(job).write_text("".join(json.dumps(row) + "\n" for row in rows))
    jobs._run(job)
    jobs.close()
    live.log.close()
    return 0 if (job.state, job.done) == ("done", IMPORTED) else 1


def watched(root, words, *, at=None, count=None):
    """Return what runs a command and ends itself before the ``at``-th change, or writes down how many there are."""

    def run():
        number = 0

        def hook(event, arguments):
            nonlocal number
            writes = event == "open" and isinstance(arguments[0], str) and set(str(arguments[1])) & set("wax+")
            if event in CHANGES or (writes and not arguments[0].startswith("/dev")):
                number += 1
                if number == at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        code = command(root, words)()
        if count is not None:
            count.write_text(str(number))
        return code

    return run


def answer(root, out):
    """Return what recommends something to a user and writes it to a file."""
    return command(root, ["recommend", "u1", "-n", "5", "--format", "json", "--out", str(out)])


def state(root):
    """Return what a workspace holds: rows of its tables, what is recorded, and the outputs."""

    def run():
        import kgrec
        from kgrec.live.event_log import EventLog
        from kgrec.serve.keys import Keys

        project, logged = kgrec.open(root), EventLog(root)
        facts = project.info()["stages"]
        texts = {name: sorted(_plain(file)) for name in OUTPUTS if (file := root / name).exists()}
        told = {
            "events": project.dataset.interactions.height,
            "users": project.dataset.n_users,
            "stages": sorted(facts),
            "recorded": (root / "kgrec.toml").read_text().count("more.csv"),
            "pending": project.workspace.pending(),
            "runs": min(len(project.runs.names()), 1),
            "feedback": sorted(map(str, project.feedback.store.events().drop("time").rows())),
            "live": sorted(map(str, logged.read(0).drop("seq").rows())),
            "exports": sorted(path.name for path in (root / "live" / "export").glob("*")),
            "keys": [key.name for key in Keys.load().keys],
            "made": sorted(path.name for path in root.iterdir()),
            "texts": texts,
        }
        (root.parent / "state.json").write_text(json.dumps(told))
        return 0

    (root.parent / "state.json").unlink(missing_ok=True)
    code, _ = in_child(run)
    return json.loads((root.parent / "state.json").read_text()) if code == 0 else f"cannot be opened: exit {code}"


def _plain(file):
    """Return the lines of an output, without what differs from run to run."""
    if file.suffix == ".parquet":
        import polars as pl

        return list(map(str, pl.read_parquet(file).rows()))
    told = file.read_text(encoding="utf-8").partition("## Where it is")[0]  # what an export lists holds the first one
    return [re.sub(r'"(seconds|id|name|at|created|started)": [^,]+', "", line) for line in told.splitlines()]


def leftovers(root, home):
    """Return the names of what a killed command left."""
    named = {info["folder"] for info in json.loads((root / "artifacts/manifest.json").read_text())["stages"].values()}
    found = [str(path) for place in (root, home) for path in place.rglob("*") if LEFT.fullmatch(path.name)]
    old = Counter(
        path.name.split("-")[0]
        for path in (root / "artifacts").iterdir()
        if re.fullmatch(r"\w+-[0-9a-f]{12}", path.name) and path.name not in named
    )
    return found + [f"{count} old versions of {stage}" for stage, count in old.items() if count > 1]


def prepare(folder):
    """Make the workspace that is worked on, and import all that commands import."""
    root = folder / "base"
    root.mkdir()
    rows = [f"u{u},i{(u * 7 + k * k) % 24},{1_700_000_000 + 60 * u + k}" for u in range(30) for k in range(6)]
    (root / "log.csv").write_text("user_id,item_id,time\n" + "\n".join(rows) + "\n")
    more = [f"v{u},i{u},1700009999" for u in range(9)]
    (root / "more.csv").write_text("user_id,item_id,time\n" + "\n".join(more) + "\n")
    items = [f"i{k},Title {k},A story about number {k % 5} and {k % 7}.,Genre {k % 4}" for k in range(24)]
    (root / "items.csv").write_text("item_id,title,plot,genre\n" + "\n".join(items) + "\n")
    (root / "kgrec.toml").write_text(
        '[[data.interactions]]\npath = "log.csv"\ncolumns = { user = "user_id", item = "item_id", time = "time" }\n'
        '[[data.items]]\npath = "items.csv"\n'
        'columns = { id = "item_id", title = "title", description = "plot" }\n'
        '[data.items.attributes]\ngenre = { column = "genre", relation = "has_genre", '
        'names = { path = "genres.csv", id = "id", name = "name" } }\n'
        '[[data.interactions]]\npath = "lines.csv"\ncolumns = { user = "customer", item = "sku" }\n'
        'action = "purchase"\njoin = { path = "orders.csv", on = "order_id", key = "id" }\n'
        '[text]\nencoder = "hashing"\n[train]\nscorers = ["popularity", "ease"]\nprecision = "int8"\ndistill = true\n'
        "[recommend]\nblock_size = 2\n[generate]\nrecord = true\n"
    )
    (root / "genres.csv").write_text("id,name\n" + "".join(f"Genre {k},Kind {k}\n" for k in range(4)))
    (root / "orders.csv").write_text("id,customer\n" + "".join(f"o{k},u{k % 30}\n" for k in range(60)))
    (root / "lines.csv").write_text("order_id,sku\n" + "".join(f"o{k},i{(k * 5) % 24}\n" for k in range(60)))

    def make():
        for words in (["build-graph"], ["train"], *COMMANDS.values()):
            if words[:1] != ["forget"]:
                command(folder / "warm", words)()
        (folder / "modules.json").write_text(json.dumps(sorted(sys.modules)))
        return 0

    shutil.copytree(root, folder / "warm")
    assert in_child(make)[0] == 0
    shutil.rmtree(folder / "config")
    for name in json.loads((folder / "modules.json").read_text()):
        if name.split(".")[0] in PRELOADED:
            try:
                importlib.import_module(name)
            except Exception:
                continue
    for words in (["build-graph"], ["train"], ["generate", "u1", "-n", "4"], COMMANDS["evaluate"]):
        assert in_child(command(root, words))[0] == 0, words

    def lived():
        import kgrec
        from kgrec.live.events import Event

        project = kgrec.open(root)
        known = project.feedback.store.texts()["text_id"].to_list()
        project.feedback.record(known[0], "accepted", time=1.7e9)
        (root / "feedback.csv").write_text(
            "text_id,event,time\n" + "".join(f"{one},clicked,1700000000\n" for one in known)
        )
        project.live.append([Event(user_id="u1", item_id=f"i{k}", action="like", time=1.7e9) for k in range(5)])
        project.live.log.close()
        return 0

    assert in_child(lived)[0] == 0
    return root


def fresh(folder, name):
    """Return the workspace as it was, and set the user's own folder back."""
    for made, base in ((folder / name, "base"), (folder / "config", "base home")):
        shutil.rmtree(made, ignore_errors=True)
        shutil.copytree(folder / base, made)
    return folder / name


def main(folder, seed, n_random, n_aimed, *names):
    """Run all kills; print one JSON object."""
    folder, commands = Path(folder), {name: COMMANDS[name] for name in names or COMMANDS}
    home = folder / "config"
    os.environ["XDG_CONFIG_HOME"] = str(home)
    prepare(folder)
    home.mkdir(exist_ok=True)
    shutil.copytree(home, folder / "base home")
    rng = random.Random(seed)
    problems, kills = [], Counter()
    rounds = []
    undisturbed = {}
    for name, words in commands.items():
        root = fresh(folder, "whole")
        in_child(answer(root, folder / "before.json"))
        before = (folder / "before.json").read_text()
        code, seconds = in_child(watched(root, words, count=folder / "count"))
        assert code == 0, (name, code)
        changes = int((folder / "count").read_text())
        in_child(answer(root, folder / "after.json"))
        undisturbed[name] = (state(root), {before, (folder / "after.json").read_text()})
        rounds += [(name, "random", rng.uniform(0, 1.05 * seconds)) for _ in range(-(-n_random // len(commands)))]
        aimed = -(-n_aimed // len(commands))
        rounds += [(name, "aimed", at) for at in rng.sample(range(1, changes + 1), min(aimed, changes))]
    rng.shuffle(rounds)
    for name, how, moment in rounds:
        root, words = fresh(folder, "killed"), COMMANDS[name]
        if how == "random":
            code, _ = in_child(command(root, words), kill_after=moment)
        else:
            code, _ = in_child(watched(root, words, at=moment))
        kills[f"{how}, {'killed' if code == -signal.SIGKILL else 'ended before'}"] += 1
        wanted, answers = undisturbed[name]

        def wrong(what, where=f"{name}, {how} at {moment:.4g}"):
            problems.append(f"{where}: {what}")

        told = folder / "told.json"
        told.unlink(missing_ok=True)
        code, _ = in_child(answer(root, told))
        if code or told.read_text() not in answers:
            wrong(f"after the kill recommend ends with {code} or gives another list")
        for made in root.rglob(".*.kgrec-*"):
            if made.is_dir() and not (made / ".kgrec").exists():  # without its marker it may be in use for a minute
                os.utime(made, (0, 0))
        code, _ = in_child(command(root, words))
        done = {"append": 2, "forget": 3, "rewriting forget": 3, "key": 3, "own plugin": 3}  # it was done before
        if code and code != done.get(name):
            wrong(f"the same command ends with {code}")
        found = state(root)
        if found != wanted:
            differs = [k for k in wanted if found[k] != wanted[k]] if isinstance(found, dict) else found
            wrong(f"it holds something else than after an undisturbed run: {differs}")
        for left in leftovers(root, home):
            wrong(f"left: {left}")
        print(sum(kills.values()), name, how, problems[-1:], file=sys.stderr, flush=True)
    print(json.dumps({"kills": kills, "problems": problems}))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]), *filter(None, ",".join(sys.argv[5:]).split(",")))
