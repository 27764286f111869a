"""The sample: the courses of ``catalogue.txt``, and invented learners who work their way through a programme."""

from importlib.resources import files

import numpy as np

from kgrec.plugin.sample_data import order, write_table

LEARNERS = 120
COLUMNS = ("course_id", "title", "programme", "teacher", "level", "hours", "prerequisites", "syllabus")
TOML = """# A sample of kgrec-education: invented courses and learners. The domain knows what their columns are called.
domain = "education"
data.interactions = [{ path = "enrolments.csv" }]
data.items = [{ path = "courses.csv" }]
recommend.rerank = ["education-reranker"]
"""


def catalogue():
    """Return the rows of courses.csv, and the ids of the courses of each programme."""
    rows, programmes, ids = [], [], {}
    for line in files(__package__).joinpath("catalogue.txt").read_text(encoding="utf-8").splitlines()[1:]:
        fields = [field.strip() for field in line.strip("= ").split("|")]
        if line.startswith("="):
            programme, teacher = fields
            programmes.append([])
            continue
        title, level, hours, needs, syllabus = fields
        ids[title] = f"c{len(ids) + 1:02}"
        programmes[-1].append(ids[title])
        first = "|".join(ids[need.strip()] for need in needs.split(";") if need.strip())
        rows.append((ids[title], title, programme, teacher, level, hours, first, syllabus))
    return rows, programmes


def learning(seed):
    """Return what learners did, a row an event, and the courses of their programme that they are ready for."""
    rows, programmes = catalogue()
    needs = {row[0]: set(row[6].split("|")) - {""} for row in rows}
    rng = np.random.Generator(np.random.PCG64(seed))
    events, ready = [], {}
    for k in range(LEARNERS):
        learner, day, done = f"learner{k + 1:03}", int(rng.random() * 100), set()
        main, side = (programmes[place] for place in order(rng, len(programmes))[:2])
        for course in [side[0]] * (rng.random() < 0.3) + main[: 2 + int(rng.random() * 4)]:
            if needs[course] <= done:
                day += 20 + int(rng.random() * 20)
                done.add(course)
                events += [(learner, course, "enrolled", day - 14), (learner, course, "completed", day)]
        ready[learner] = [course for course in main if course not in done and needs[course] <= done]
    return events, ready


def write(folder, seed):
    """Write the sample into an empty folder."""
    write_table(folder / "courses.csv", COLUMNS, catalogue()[0])
    start = np.datetime64("2024-03-04")
    enrolments = [(learner, course, action, str(start + day)) for learner, course, action, day in learning(seed)[0]]
    write_table(folder / "enrolments.csv", ("learner", "course_id", "action", "time"), enrolments)
    (folder / "kgrec.toml").write_text(TOML, encoding="utf-8")
