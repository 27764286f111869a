"""Tables in which a column is an item, users who are nobody, and columns that may say what was done."""

import pytest

import kgrec
from kgrec.data.propose import look, write
from kgrec.errors import ConfigError
from kgrec.plugin.manager import load_plugins

MANAGER = load_plugins()
WORDS = ("hardly", "so so", "a lot")
TEAS = ("Assam", "Sencha", "Rooibos", "Mint", "Fennel")


def proposed(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    proposal = look([path], None, MANAGER)
    return next(f for f in proposal.files if f.kind == "interactions"), write(proposal, MANAGER, folder=tmp_path)


def built(tmp_path, toml):
    (tmp_path / "kgrec.toml").write_text(toml, encoding="utf-8")
    project = kgrec.open(tmp_path)
    project.build_graph()
    data = project.dataset
    users, items = data.users["user_id"], data.items["item_id"]
    return {(users[r["user"]], items[r["item"]], r["action"], r["value"]) for r in data.interactions.to_dicts()}


def test_answers_in_unknown_words_are_asked_for_and_read_in_the_order_given(tmp_path):
    head = "When,E-mail," + ",".join(f"How do you like it? [{tea}]" for tea in TEAS) + ",Anything else?\n"
    rows = [
        f"2024-03-{k + 1:02} 10:00,p{k}@x.example," + ",".join(WORDS[(k + j) % 3] for j in range(5)) + ","
        for k in range(12)
    ]
    file, toml = proposed(tmp_path, "survey.csv", head + "\n".join(rows) + "\n")
    assert file.columns == {"user": "E-mail", "item": "*", "time": "When"}
    assert set(file.scale) == set(WORDS)
    assert 'scale = ["?"]' in toml
    found = built(tmp_path, toml.replace('["?"]', '["hardly", "so so", "a lot"]'))
    assert {item for _, item, _, _ in found} == set(TEAS)
    assert ("p1@x.example", "Sencha", "rate", 3.0) in found  # (1 + 1) % 3
    assert ("p0@x.example", "Assam", "rate", 1.0) in found


@pytest.mark.parametrize(
    ("pattern", "told"),
    [("(", "cannot be used"), ("(?=a)b", "cannot be used"), ("Tea", "has no group"), ("((a+)+$)", "no column")],
)
def test_patterns_that_cannot_be_used_say_so_at_once(tmp_path, pattern, told):
    (tmp_path / "log.csv").write_text(f"who,Mint,{'a' * 60}b\nu1,4,5\n", encoding="utf-8")
    entry = (
        f"[[data.interactions]]\npath = 'log.csv'\npattern = '{pattern}'\ncolumns = {{ user = 'who', item = '*' }}\n"
    )
    with pytest.raises(ConfigError, match=told):
        built(tmp_path, entry)


def test_columns_beside_a_matrix_are_no_items(tmp_path):
    marks = [",".join(str((k * j) % 5 + 1) if (k + j) % 3 else "" for j in range(1, 6)) for k in range(12)]
    rows = [f"p{k},{20 + 3 * k},{line}" for k, line in enumerate(marks)]
    file, toml = proposed(tmp_path, "ratings.csv", "user,age," + ",".join(TEAS) + "\n" + "\n".join(rows) + "\n")
    assert file.layout.beside == ("age",)
    assert "no items: age" in " ".join(file.notes)
    assert {item for _, item, _, _ in built(tmp_path, toml)} == set(TEAS)


def test_baskets_of_zero_and_one_are_what_was_taken(tmp_path):
    rows = [f"C-{k};" + ";".join(str((k + j) % 3 // 2) for j in range(5)) for k in range(12)]
    file, toml = proposed(tmp_path, "matrix.csv", "customer;" + ";".join(TEAS) + "\n" + "\n".join(rows) + "\n")
    assert file.layout.missing == ("0",)
    found = built(tmp_path, toml)
    assert len(found) == sum((k + j) % 3 == 2 for k in range(12) for j in range(5))
    assert {(action, value) for _, _, action, value in found} == {("view", None)}


@pytest.mark.parametrize("nobody", ["WALK-IN", "0"])
def test_a_user_who_is_nobody_is_left_out_and_told(tmp_path, nobody):
    who = [nobody if k % 6 == 5 else f"{'' if nobody == '0' else 'K'}{4400 + k % 6}" for k in range(48)]
    rows = [f"{who[k]},P{k * 5 % 7},2024-03-{k % 28 + 1:02},9.90" for k in range(48)]
    file, toml = proposed(tmp_path, "sales.csv", "customer,sku,date,price\n" + "\n".join(rows) + "\n")
    assert file.layout.missing == (nobody,)
    assert any(nobody in note for note in file.notes)
    assert {user for user, *_ in built(tmp_path, toml)} == set(who) - {nobody}


def test_ids_written_in_many_ways_are_all_somebody(tmp_path):
    ids = ["A3XZ", "BQRT", "77Q1", "ZP09", "C2C2", "anna"]
    rows = [f"{ids[k % 6]},P{k * 5 % 7},2024-03-{k % 28 + 1:02}" for k in range(48)]
    file, _ = proposed(tmp_path, "log.csv", "user,sku,date\n" + "\n".join(rows) + "\n")
    assert file.layout.missing == ()


def test_a_column_that_may_say_what_was_done_is_told(tmp_path):
    rows = [f"u{k % 7},c{k * 5 % 11},{('glorp', 'frap', 'zib')[k % 3]},2024-03-{k % 28 + 1:02}" for k in range(48)]
    file, _ = proposed(tmp_path, "log.csv", "user,course,status,date\n" + "\n".join(rows) + "\n")
    assert any("status" in note and "glorp" in note for note in file.notes)


def test_what_an_item_is_part_of_is_not_what_is_acted_on(tmp_path):
    rows = [f"{k % 7},{k * 5 % 12 + 500},{k * 5 % 12 % 3 + 1},{k % 2}" for k in range(60)]
    file, _ = proposed(tmp_path, "log.csv", "user_id,problem_id,skill_id,correct\n" + "\n".join(rows) + "\n")
    assert file.columns["item"] == "problem_id"


def test_without_a_header_who_meets_what_is_told_by_values(tmp_path):
    names = ["nightwolf", "pixelqueen", "lamatv", "otter", "klee", "zebra", "mo"]
    rows = [f"{k * 7 % 9 + 40},{9_000_000 + k},{names[k * 5 % 7]},{k * 3},{k * 3 + 2}" for k in range(60)]
    file, _ = proposed(tmp_path, "a.csv", "\n".join(rows) + "\n")
    assert file.columns == {"user": "column_1", "item": "column_3"}
    assert set(file.doubts) == {"user", "item"}  # nothing but their order tells which is which


def test_cells_left_empty_below_the_first_of_a_group_repeat_it(tmp_path):
    rows = []
    for k in range(40):
        head = f"S{k // 2 + 10},2024-03-{k // 2 + 1:02},Partner {k // 2 % 5}" if k % 2 == 0 else ",,"
        rows.append(f"{head},P{k * 7 % 11},{k % 3 + 1}")
    file, toml = proposed(
        tmp_path, "orders.csv", "Order,Order Date,Customer,Product,Quantity\n" + "\n".join(rows) + "\n"
    )
    assert file.layout.fill_down == ("Order", "Order Date", "Customer")
    found = {(user, item) for user, item, *_ in built(tmp_path, toml)}
    assert found == {(f"Partner {k // 2 % 5}", f"P{k * 7 % 11}") for k in range(40)}


def test_empty_cells_of_guests_repeat_nothing(tmp_path):
    who = [f"anna{k % 6},a{k % 6}@x.example" if k % 4 else "," for k in range(1, 41)]
    rows = [f"2024-03-{k % 28 + 1:02},{who[k]},P{k * 7 % 11},{k % 3 + 1}" for k in range(40)]
    file, _ = proposed(tmp_path, "sales.csv", "Date,Customer,Email,Product,Quantity\n" + "\n".join(rows) + "\n")
    assert file.layout.fill_down == ()


def test_ids_that_a_spreadsheet_keeps_as_text_are_ids(tmp_path):
    rows = [f'"u{k % 5}",="{k * 7 % 11:05}",2024-03-{k % 28 + 1:02}' for k in range(40)]
    _, toml = proposed(tmp_path, "sales.csv", "user,sku,date\n" + "\n".join(rows) + "\n")
    assert {item for _, item, *_ in built(tmp_path, toml)} == {f"{k:05}" for k in range(11)}


def test_ratings_dat_with_commas_is_no_file_of_movielens(tmp_path):
    rows = [f"{k % 9 + 1},{k * 7 % 13 + 100},{k * 3 % 10 + 1}" for k in range(60)]
    file, _ = proposed(tmp_path, "ratings.dat", "\n".join(rows) + "\n")
    assert file.columns == {"user": "column_1", "item": "column_2", "value": "column_3"}
