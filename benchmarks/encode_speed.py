"""Measure texts per second of each text encoder on one and two threads.

usage: python benchmarks/encode_speed.py [--seconds 5] [--threads 1 2] [--words 12 60] [--out FILE.json]

Texts are generated (seeded): as many common words as named, each text another one. Figures are the best of three
runs, each of at least --seconds / 3; the model is loaded and warmed up before. BLAS reads its thread count at the
start, so each row is measured in a process of its own. Texts per second of CPU time (of all threads together) tell
more than texts per second where other work shares the cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ENCODERS = {
    "hashing": ("hashing", {}),
    "multilingual": ("multilingual", {}),
    "transformers": ("transformers", {}),
    "transformers bf16": ("transformers", {"dtype": "bfloat16"}),
}
ENGLISH = """
time people way day man thing woman life child world school state family student group country problem hand part place
case week company system program question work government number night point home water room mother area money story
fact month lot right study book eye job word business issue side kind head house service friend father power hour game
line end member law car city community name president team minute idea body information the of and to in a is that for
it was on are as with his they be at one have this from by hot but what some
"""
CHINESE = """
时间 人们 道路 日子 男人 东西 女人 生活 孩子 世界 学校 国家 家庭 学生 小组 问题 手机 地方 公司 系统 程序 工作
政府 号码 夜晚 房间 母亲 地区 金钱 故事 事实 月份 权利 研究 书籍 眼睛 业务 服务 朋友 父亲 力量 小时 游戏 成员
法律 汽车 城市 社区 名字 总统 团队 主意 身体 信息 的 了 和 是 在 有 也 就 都 而
"""
WORDS = {"en": ENGLISH.split(), "zh": CHINESE.split()}


def generate(n: int, words: int, language: str, seed: int) -> list[str]:
    """Return ``n`` texts of ``words`` words each; Chinese ones without spaces."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(np.array(WORDS[language]), (n, words))
    return [(" " if language == "en" else "").join(row) for row in rows]


def measure(name: str, threads: int, words: int, language: str, seconds: float) -> tuple[float, float]:
    """Return texts per second, and per second of CPU time."""
    from kgrec.plugin.manager import load_plugins

    spec, options = ENCODERS[name]
    if spec != "hashing":
        options = {**options, "threads": threads}
    encoder = load_plugins([]).registry("text encoder")[spec].build(options)
    texts = generate(20_000, words, language, seed=0)
    encoder.encode(texts[:64])
    best, position = (0.0, 0.0), 64
    for _ in range(3):
        done, started, cpu = 0, time.perf_counter(), time.process_time()
        while (elapsed := time.perf_counter() - started) < seconds / 3 or not done:
            block = [texts[(position + k) % len(texts)] for k in range(64)]
            encoder.encode(block)
            done, position = done + 64, position + 64
        speeds = (done / elapsed, done / (time.process_time() - cpu))
        best = (max(best[0], speeds[0]), max(best[1], speeds[1]))
    return best


def main() -> None:
    """Measure every encoder and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each figure")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--words", type=int, nargs="+", default=[12, 60])
    parser.add_argument("--encoders", nargs="+", choices=ENCODERS, default=list(ENCODERS))
    parser.add_argument("--languages", nargs="+", choices=WORDS, default=list(WORDS))
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        name, threads, words, language = arguments.one
        print(*measure(name, int(threads), int(words), language, arguments.seconds))
        return
    rows = []
    print(f"{'encoder':<20}{'language':<10}{'words':>6}{'threads':>9}{'texts/s':>10}{'texts/CPU-s':>13}")
    for name in arguments.encoders:
        for language in arguments.languages:
            for words in arguments.words:
                for threads in arguments.threads:
                    row = {"encoder": name, "language": language, "words": words, "threads": threads}
                    speed, cpu = _in_a_process(name, threads, words, language, arguments.seconds)
                    rows.append({**row, "texts/s": speed, "texts/CPU-s": cpu})
                    print(f"{name:<20}{language:<10}{words:>6}{threads:>9}{speed:>10.0f}{cpu:>13.0f}", flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def _in_a_process(name: str, threads: int, words: int, language: str, seconds: float) -> tuple[float, float]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    arguments = ["--seconds", str(seconds), "--one", name, str(threads), str(words), language]
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"error: {name} failed\n{done.stderr}")
    wall, cpu = done.stdout.split()
    return float(wall), float(cpu)


if __name__ == "__main__":
    main()
