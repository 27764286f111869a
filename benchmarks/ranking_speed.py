"""How long lists for all users take, and one list in process; against the plain way, in one run.

usage: python benchmarks/ranking_speed.py WORKSPACE [--n 20] [--users 200] [--blocks 5] [--skip-all]

The plain way writes down, standardises and weighs the scores of each scorer. It is run on some blocks of users, in turn
with the fast way; CPU seconds are of the whole process, all threads together.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from statistics import median

import numpy as np

import kgrec
from kgrec.project import Project
from kgrec.ranking.lists import rank_blocks
from kgrec.ranking.ranker import ListRules

BLOCK = 512


def mib() -> tuple[float, float]:
    """Return resident memory now and its peak, in MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def side_by_side(project: Project, n: int, blocks: int) -> None:
    """Rank some blocks of users both ways."""
    ranker = project.ranker
    n_users = len(ranker.user_ids)
    rng = np.random.default_rng(0)
    plain, fast, equal, off = [], [], [], 0.0
    for _ in range(blocks):
        users = np.sort(rng.choice(n_users, min(BLOCK, n_users), replace=False))
        started = time.process_time()
        scores = ranker.fused(users)
        best, values = ranker.rank(scores, ListRules(n), ranker.seen[users])
        plain.append(time.process_time() - started)
        started = time.process_time()
        [(_, found, theirs)] = rank_blocks(ranker, users, ListRules(n), seen=ranker.seen[users], block_size=len(users))
        fast.append(time.process_time() - started)
        equal.append(float((best == found).mean()))
        off = max(off, float(np.nanmax(np.abs(values - theirs) / np.maximum(np.abs(values), 1))))
    ratio = median(plain) / median(fast)
    figures = f"plain {median(plain) * 1e3:.0f}, fast {median(fast) * 1e3:.0f}, ratio {ratio:.1f}"
    print(f"a block of {len(users)} users, CPU ms: {figures}")
    print(f"same item at the same place: {np.mean(equal):.5f}; scores differ by at most {off:.1e} of themselves")


def one_user(project: Project, n: int, users: int) -> None:
    """Recommend to one user after the other, in process."""
    rng = np.random.default_rng(1)
    ids = [project.ranker.user_ids[k] for k in rng.integers(len(project.ranker.user_ids), size=users)]
    for user in ids[:10]:
        project.recommend(user, n)
    wall, cpu = [], []
    for user in ids:
        begun, used = time.perf_counter(), time.process_time()
        project.recommend(user, n)
        wall.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - used)
    figures = f"median {median(wall) * 1e3:.1f}, 95th percentile {np.percentile(wall, 95) * 1e3:.1f}"
    print(f"one user, ms: {figures}, CPU median {median(cpu) * 1e3:.1f}")


def all_users(project: Project, n: int) -> None:
    """Recommend to all users."""
    loaded, _ = mib()
    begun, used = time.perf_counter(), time.process_time()
    found = project.recommend_many(n=n)
    wall, cpu = time.perf_counter() - begun, time.process_time() - used
    memory = f"{mib()[1] - loaded:.0f} MiB over {loaded:.0f} MiB"
    print(f"all {found['user_id'].n_unique()} users: {wall:.1f} s wall, {cpu:.1f} CPU s; {memory}")


def main() -> None:
    """Measure a trained workspace."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--skip-all", action="store_true", help="leave out the run over all users")
    options = parser.parse_args()
    project = kgrec.open(options.workspace)
    print(f"loaded: {len(project.ranker.user_ids)} users, {len(project.ranker.item_ids)} items")
    project.dataset  # noqa: B018  loaded, too
    if not options.skip_all:
        all_users(project, options.n)
    one_user(project, options.n, options.users)
    side_by_side(project, options.n, options.blocks)


if __name__ == "__main__":
    main()
