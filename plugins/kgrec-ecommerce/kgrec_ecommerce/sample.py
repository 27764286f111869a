"""The bundled sample: an invented Chinese shop whose brands have regular customers. Nothing in it is real."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from kgrec.plugin.sample_data import Planted, order, pick, pick_some, plant, sample_words, write_table

words = sample_words("kgrec_ecommerce")

SEED = 42
N_USERS, N_EACH = 300, 9
START, DAYS = 1_710_000_000, 90
CATEGORIES = {name: told for categories in words.departments.values() for name, told in categories.items()}
"""Of each category: how its products are called, what they are made of and good for, what they cost."""

SETTINGS = """\
# kgrec-ecommerce 的示例：虚构的商品、品牌与顾客，由 `kgrec init --domain ecommerce` 生成。
domain = "ecommerce"

[[data.interactions]]
path = "events.csv"
columns = { user = "用户编号", item = "商品编号", action = "行为", value = "评分", time = "时间", text = "内容" }

[data.interactions.actions]
"浏览" = "view"
"加购" = "cart"
"购买" = "purchase"
"收藏" = "collect"
"评价" = "comment"
"搜索" = "search"

[[data.items]]
path = "products.csv"
columns = { id = "商品编号", title = "商品名", description = "描述" }

[data.items.attributes]
brand = { column = "品牌", relation = "has_brand" }
categories = { column = "类目", relation = "in_category" }
material = { column = "材质", separator = "|", relation = "made_of" }
origin = { column = "产地", relation = "comes_from" }
price = { column = "价格" }

[generate.units]
price = "元"

[[data.users]]
path = "customers.csv"
columns = { id = "用户编号", description = "简介" }

[data.users.attributes]
city = { column = "城市" }

[[data.triples]]
path = "graph.tsv"
columns = { head = "头实体", relation = "关系", tail = "尾实体" }
names = { path = "names.tsv", columns = { entity = "实体", name = "名称", type = "类型" } }
"""


def user_ids() -> list[str]:
    """Return the ids of the customers."""
    return [f"C{k:03d}" for k in range(1, N_USERS + 1)]


def item_ids() -> list[str]:
    """Return the ids of the products."""
    return [f"P{k:03d}" for k in range(1, len(words.brands) * N_EACH + 1)]


def truth(seed: int = SEED) -> dict[str, dict[str, str]]:
    """Return what each customer likes beyond the sample: customer -> product -> ``warm``, ``graph`` or ``text``.

    ``warm`` products have been bought by others; the other ones have no interactions, and only the graph or only the
    text tells their brand.
    """
    return _plant(seed)[1].held_out(user_ids(), item_ids())


def write(folder: Path, seed: int = SEED) -> None:
    """Write the sample into ``folder``, which must exist."""
    rng, planted = _plant(seed)
    # A brand sells in its department, so the category tells a little; four brands share each.
    departments = list(words.departments)
    of_brand = [departments[k % len(departments)] for k in range(len(words.brands))]
    draws = rng.random(len(planted.owner)) * 4
    categories = [list(words.departments[of_brand[b]])[int(d)] for b, d in zip(planted.owner, draws, strict=True)]
    (folder / "kgrec.toml").write_text(SETTINGS, encoding="utf-8", newline="\n")
    _write_products(folder, rng, planted, categories)
    _write_graph(folder, rng, planted, categories)
    _write_customers(folder, rng, planted)
    _write_events(folder, rng, planted)
    held = [(user, item, kind) for user, items in truth(seed).items() for item, kind in items.items()]
    write_table(folder / "holdout.tsv", ("用户编号", "商品编号", "kind"), held, delimiter="\t")


def _plant(seed: int) -> tuple[np.random.Generator, Planted]:
    rng = np.random.default_rng(seed)
    return rng, plant(rng, n_users=N_USERS, n_entities=len(words.brands), n_each=N_EACH)


def _write_products(folder: Path, rng: np.random.Generator, planted: Planted, categories: list[str]) -> None:
    n = len(categories)
    told = [CATEGORIES[category] for category in categories]
    titles = _titles(rng, categories)
    materials = [_drawn(rng, one["materials"], 2) for one in told]
    occasions, says = ([pick(rng, one[key], 1)[0] for one in told] for key in ("occasions", "says"))
    origins = pick(rng, words.origins, n)
    low, high = np.array([one["price"] for one in told]).T
    prices = np.round(low + rng.random(n) * (high - low)).astype(np.int64)
    gone = rng.random((n, 2)) < 0.05
    rows = [
        (
            item,
            titles[k],
            f"{says[k]}。"
            + (f"{words.brands[planted.owner[k]]}出品，" if planted.in_text[k] else "")
            + f"采用{materials[k][0]}制成，适合{occasions[k]}使用。",
            words.brands[planted.owner[k]] if planted.in_column[k] else "",
            categories[k],
            "|".join(materials[k]),
            "" if gone[k, 0] else origins[k],
            "" if gone[k, 1] else prices[k],
        )
        for k, item in enumerate(item_ids())
    ]
    header = ("商品编号", "商品名", "描述", "品牌", "类目", "材质", "产地", "价格")
    write_table(folder / "products.csv", header, rows)


def _titles(rng: np.random.Generator, categories: list[str]) -> list[str]:
    """Return titles that differ: what is in a category is drawn without replacement from how it may be called."""
    left: dict[str, list[str]] = {}
    titles = []
    for category in categories:
        if not left.get(category):
            told = CATEGORIES[category]
            named = [f"{adjective}{category}{model}" for adjective in told["adjectives"] for model in told["models"]]
            left[category] = [named[int(k)] for k in order(rng, len(named))]
        titles.append(left[category].pop())
    return titles


def _drawn(rng: np.random.Generator, options: list[str], most: int) -> list[str]:
    return pick_some(rng, options, 1, min(most, len(options)))[0]


def _write_graph(folder: Path, rng: np.random.Generator, planted: Planted, categories: list[str]) -> None:
    occasions = list(dict.fromkeys(name for told in CATEGORIES.values() for name in told["occasions"]))
    kinds = {"brand": words.brands, "category": (*CATEGORIES, *words.departments), "occasion": occasions}
    names = [
        (f"E{100 * t + k}", name, kind)
        for t, (kind, some) in enumerate(kinds.items(), 1)
        for k, name in enumerate(some)
    ]
    ids = {name: entity for entity, name, _ in names}
    brands = [words.brands[k] for k in planted.owner]
    rows = [(item, "品牌", ids[brands[k]]) for k, item in enumerate(item_ids()) if planted.in_graph[k]]
    rows += [
        (ids[category], "上级类目", ids[department])
        for department, categories in words.departments.items()
        for category in categories
    ]
    suited = [pick(rng, CATEGORIES[category]["occasions"], 1)[0] for category in categories]
    rows += [(item, "适用场景", ids[occasion]) for item, occasion in zip(item_ids(), suited, strict=True)]
    write_table(folder / "graph.tsv", ("头实体", "关系", "尾实体"), rows, delimiter="\t")
    write_table(folder / "names.tsv", ("实体", "名称", "类型"), names, delimiter="\t")


def _write_customers(folder: Path, rng: np.random.Generator, planted: Planted) -> None:
    cities, tells = pick(rng, words.cities, N_USERS), rng.random((N_USERS, 2)) < (0.3, 0.08)
    rows = []
    for k, customer in enumerate(user_ids()):
        brands = "和".join(words.brands[b] for b in np.flatnonzero(planted.fan[k]))
        rows.append((customer, "" if tells[k, 1] else cities[k], f"一直喜欢{brands}的东西。" if tells[k, 0] else ""))
    write_table(folder / "customers.csv", ("用户编号", "城市", "简介"), rows)


def _write_events(folder: Path, rng: np.random.Generator, planted: Planted) -> None:
    users, items = np.nonzero(planted.seen | planted.noise)
    n, liked = len(users), planted.seen[users, items]
    bounds = np.where(liked[:, None], [0.2, 0.35, 0.8, 0.9], [0.85, 0.9, 0.9, 0.9])  # (n, 4)
    names = np.array(["浏览", "加购", "购买", "收藏", "评价"])
    actions = names[(rng.random(n)[:, None] >= bounds).sum(axis=1)]
    stars = np.where(liked, 4, 1) + (rng.random(n) < 0.5)
    times = START + rng.random(n) * DAYS * 86_400
    praise, blame = pick(rng, words.praise, n), pick(rng, words.blame, n)
    customers, products = user_ids(), item_ids()
    rows: list[tuple[object, ...]] = []
    for k in np.argsort(times, kind="stable"):
        reviewed = actions[k] == "评价"
        text = (praise[k] if liked[k] else blame[k]) if reviewed else ""
        value = stars[k] if reviewed else ""
        rows.append((customers[users[k]], products[items[k]], actions[k], value, _time(float(times[k])), text))
    for k in np.flatnonzero(rng.random(N_USERS) < 0.25):
        wanted = words.brands[int(np.argmax(planted.fan[k]))]
        rows.append((customers[k], "", "搜索", "", _time(START + DAYS * 86_000.0 + float(k)), wanted))
    header = ("用户编号", "商品编号", "行为", "评分", "时间", "内容")
    write_table(folder / "events.csv", header, rows + _dirt(rows))


def _dirt(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Return what logs are full of: duplicates, impossible times, blank and padded ids, a rating that is no number."""
    customer, product, *_ = rows[0]
    moment = _time(START + 60.0)
    return [
        *rows[30:36],
        (customer, product, "浏览", "", "1970-01-01 08:00:00", ""),
        (customer, product, "浏览", "", "昨天", ""),
        ("", product, "浏览", "", moment, ""),
        ("  ", product, "购买", "", moment, ""),
        (f"{customer}　", f" {product}", "浏览", "", _time(START + 61.0), ""),
        (customer, product, "评价", "很好", _time(START + 62.0), "打分写成了字。"),
    ]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
