"""How many texts a second the template generator, the guards and the embedded language model manage.

    python benchmarks/generate_speed.py [--texts 4000] [--repeat 3] [--model smollm2] [--model-texts 100] [--threads 1]

The model writes blurbs of an invented film for different readers; the guarded ones are the best of up to three drafts
that pass every guard, else repaired once, else the template's. Tokens a second are those written over all time spent,
what it takes to read the prompts included. The load of the machine is printed: on a busy one all figures are lower.
"""

from __future__ import annotations

import argparse
import os
import resource
import time

from kgrec.generate.kinds import cues_of, kinds_of
from kgrec.generate.prompts import PromptGenerator
from kgrec.generate.template import TemplateGenerator
from kgrec.generate.writer import Writer
from kgrec.plugin.domain import default_prompt
from kgrec.plugin.generation import TextRequest
from kgrec.plugin.manager import PluginManager, load_plugins
from kgrec.testing import toy_request

_SECOND = ("repair", "personal")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=4000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--model", choices=("smollm2",), help="also time this language model")
    parser.add_argument("--model-texts", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    manager = load_plugins()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if asked.texts:
        of_templates(manager, asked.texts, asked.repeat)
    if asked.model:
        of_model(manager, asked.model, asked.model_texts, asked.threads)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"most memory held {held:.0f} MiB, load {os.getloadavg()[0]:.1f}")


def requests_of(manager: PluginManager, kind: str, language: str, n: int) -> list[TextRequest]:
    domain = manager.domain("video")
    cues, prompt = cues_of(domain, language), manager.prompt_template("video", f"{kind}.{language}")
    chosen = kinds_of(domain)[kind]
    return [toy_request(language, kind=chosen, key=str(k), cues=cues, prompt=prompt) for k in range(n)]


def of_templates(manager: PluginManager, n: int, repeat: int) -> None:
    guards = [spec.build() for _, spec in manager.registry("guard").items()]
    writer, generator = Writer(guards), TemplateGenerator()
    print("texts a second, best of", repeat)
    for name in kinds_of(manager.domain("video")):
        for language in ("en", "zh"):
            requests = requests_of(manager, name, language, n)
            texts = generator.write(requests[:200], seed=0)
            best = checked = 0.0
            for _ in range(repeat):
                start = time.perf_counter()
                generator.write(requests, seed=1)
                best = max(best, len(requests) / (time.perf_counter() - start))
                start = time.perf_counter()
                for request, text in zip(requests, texts, strict=False):
                    writer.check(request, text)
                checked = max(checked, len(texts) / (time.perf_counter() - start))
            print(f"{name:10} {language}  template {best:8.0f}   guards {checked:8.0f}")


def of_model(manager: PluginManager, name: str, n: int, threads: int) -> None:
    model = manager.registry("language model")[name].build({"threads": threads})
    requests = requests_of(manager, "blurb", "en", n)
    PromptGenerator().write(requests[:1], model=model, seed=0)  # loads it
    before, start = model.written_tokens, time.perf_counter()
    model.complete(["A long story about the sea begins here:"] * 4, max_new_tokens=200, seed=1)
    spent = time.perf_counter() - start
    print(f"{name}, {threads} threads")
    print(f"  free writing          {(model.written_tokens - before) / spent:7.1f} tokens/s")
    before, start = model.written_tokens, time.perf_counter()
    PromptGenerator().write(requests, model=model, seed=1)
    spent = time.perf_counter() - start
    made = model.written_tokens - before
    print(f"  {n} drafts            {spent:7.1f} s, {n / spent:.2f} texts/s, {made / spent:.1f} tokens/s with prompts")
    guards = [spec.build() for _, spec in manager.registry("guard").items()]
    repair, personal = ({"en": prompt} if (prompt := default_prompt(f"{task}.en")) else {} for task in _SECOND)
    writer = Writer(guards, model, repair_prompts=repair, personal_prompts=personal, candidates=3)
    start = time.perf_counter()
    texts = writer.write(requests, seed=1)
    spent = time.perf_counter() - start
    lost = sum(text.fallback for text in texts)
    print(f"  {n} texts with guards {spent:7.1f} s, best of 3, {lost} left to the template")


if __name__ == "__main__":
    main()
