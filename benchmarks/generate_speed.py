"""How many texts a second the template generator and the guards manage: ``python benchmarks/generate_speed.py``."""

from __future__ import annotations

import argparse
import time

from kgrec.generate.kinds import cues_of, kinds_of
from kgrec.generate.pipeline import Writer
from kgrec.generate.template import TemplateGenerator
from kgrec.plugin.manager import load_plugins
from kgrec.testing import toy_request


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=4000)
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    manager = load_plugins()
    domain = manager.domain("video")
    guards = [spec.build() for _, spec in manager.registry("guard").items()]
    writer, generator = Writer(guards), TemplateGenerator()
    print("texts a second, best of", asked.repeat)
    for name, kind in kinds_of(domain).items():
        for language in ("en", "zh"):
            requests = [
                toy_request(language, kind=kind, key=str(k), cues=cues_of(domain, language)) for k in range(asked.texts)
            ]
            texts = generator.write(requests[:200], seed=0)
            best = checked = 0.0
            for _ in range(asked.repeat):
                start = time.perf_counter()
                generator.write(requests, seed=1)
                best = max(best, len(requests) / (time.perf_counter() - start))
                start = time.perf_counter()
                for request, text in zip(requests, texts, strict=False):
                    writer.check(request, text)
                checked = max(checked, len(texts) / (time.perf_counter() - start))
            print(f"{name:10} {language}  template {best:8.0f}   guards {checked:8.0f}")


if __name__ == "__main__":
    main()
