"""``kgrec generate tune``: a language model adapted to the workspace's texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import options
from kgrec.cli.console import cell, clean, console, duration, table
from kgrec.cli.run import CommandLineRun
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from kgrec.generate.finetune import FineTuneResult


@workspace_command
def tune(
    run: CommandLineRun,
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="A folder with a model of transformers, or smollm2.")
    ],
    kinds: Annotated[
        list[str] | None,
        typer.Option("--kind", "-k", metavar="KIND", help="Kind of text (may be repeated); by default all."),
    ] = None,
    lang: options.Language = None,
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            metavar="SOURCE",
            help="template, description, accepted (may be repeated); by default all three.",
        ),
    ] = None,
    items: Annotated[int, typer.Option("--items", min=1, help="Items whose texts are learned from, at most.")] = 500,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Of the optimiser, at most.")] = 200,
    patience: Annotated[
        int, typer.Option("--patience", min=0, help="Checks without a better validation part that end it; 0: never.")
    ] = 4,
    check_every: Annotated[int, typer.Option("--check-every", min=1, help="Steps between checks.")] = 20,
    judged: Annotated[
        int, typer.Option("--judged", min=1, help="Texts of the validation and of the held-out part, at most.")
    ] = 64,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Texts a step.")] = 4,
    learning_rate: Annotated[float, typer.Option("--learning-rate", metavar="RATE", help="Of AdamW.")] = 5e-4,
    rank: Annotated[int, typer.Option("--rank", min=1, help="Of the adapters.")] = 8,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="By default that of kgrec.toml.")] = None,
    device: Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where it computes.")] = "auto",
    restart: Annotated[bool, typer.Option("--restart", help="Start over instead of resuming.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder of the adapters; by default the workspace's own."),
    ] = None,
) -> None:
    """Fine-tune a language model on the catalogue's texts.

    LoRA adapters learn from descriptions, texts of the template, and generated texts that were accepted.

    Interrupted, it is resumed where it stopped. What comes out is used by `kgrec generate USER --model tuned`.
    """
    from kgrec.generate.finetune_texts import SOURCES, FineTuneOptions

    given = FineTuneOptions(
        base=model,
        out=out,
        kinds=tuple(kinds or ()),
        language=lang,
        sources=tuple(sources or SOURCES),
        items=items,
        judged=judged,
        restart=restart,
        steps=steps,
        patience=patience,
        check_every=check_every,
        batch_size=batch_size,
        learning_rate=learning_rate,
        rank=rank,
        seed=run.project.config.seed if seed is None else seed,
        device=device,
    )
    with run.progress() as progress:
        found = run.project.finetune(given, progress=progress)
    run.data([_record(found)], lambda: _show(found, None if out is None else str(out)))


def _record(found: FineTuneResult) -> dict[str, Any]:
    last = found.checks[-1]
    return {
        "folder": str(found.folder),
        "base": found.base,
        "steps": last.step,
        "best_step": found.best_step,
        "seconds": last.seconds,
        "tokens": found.tokens,
        "trained_weights": found.trained,
        "texts": found.texts,
        "left_out": found.left_out,
        "before": _interval(found.before),
        "after": _interval(found.after),
        "change": _interval(found.change, found.change.difference),
        "change_by_source": {name: _interval(row, row.difference) for name, row in found.sources.items()},
    }


def _interval(found: Any, mean: float | None = None) -> dict[str, float]:
    return {"mean": found.mean if mean is None else mean, "low": found.low, "high": found.high, "items": found.n}


def _show(found: FineTuneResult, out: str | None) -> None:
    import math

    last, screen = found.checks[-1], console()
    texts = " · ".join(f"{part} {cell(sum(by.values()))}" for part, by in found.texts.items())
    screen.print(
        f"{clean(found.base)} · {cell(last.step)} steps, best {cell(found.best_step)} · "
        f"{duration(last.seconds)} · {cell(found.trained)} weights learned of {cell(found.all_weights)}",
        style="bold",
    )
    left = f" · {cell(found.left_out)} too long, left out" if found.left_out else ""
    screen.print(f"texts: {texts}{left}", style="dim")
    right: dict[str, Any] = {"justify": "right", "no_wrap": True}
    made = table({"held-out items": {}, "nats a token": right, "95 %": right, "perplexity": right})
    for name, row in (("base model", found.before), ("tuned", found.after)):
        made.add_row(name, f"{row.mean:.3f}", f"{row.low:.3f} to {row.high:.3f}", f"{math.exp(row.mean):.2f}")
    rows = {"change": found.change, **{f"  {name} texts": row for name, row in found.sources.items()}}
    for name, paired in rows.items():
        made.add_row(name, f"{paired.difference:+.3f}", f"{paired.low:+.3f} to {paired.high:+.3f}", "")
    screen.print(made)
    if found.best_step == 0:
        screen.print("no step was better on the validation part: the adapters change nothing", style="yellow")
    screen.print(f"use it: kgrec generate USER --model tuned{'' if out is None else ':' + out}", style="dim")
