"""Words that the sample's articles are made of. Everything is invented."""

from __future__ import annotations

SUBJECTS: dict[str, tuple[str, ...]] = {
    "Business": ("Halvorsen Motors", "Brightquay Bank", "Lumenfold Energy", "Tessaly Foods"),
    "Sport": ("Northgate Rovers", "Port Elden Harriers", "Vale Cycling Team", "Castrel United"),
    "Politics": ("Mayor Orla Fennick", "Senator Amos Drell", "Harbour Alliance", "Green Ridge Council"),
    "Science": ("Ostrava Deep Telescope", "Marrow Bay Institute", "Professor Lin Achterberg", "Coral Seed Project"),
    "Culture": ("Wren Street Theatre", "Ballad of Tamsin Grey", "Museum of Tides", "Ilse Varga Quartet"),
    "Technology": ("Pinecone Robotics", "Quietwire Networks", "Opal Browser", "Saltmarsh Games"),
}
"""Section -> what its articles are about; each has readers who follow it."""

OPENINGS: dict[str, tuple[str, ...]] = {
    "Business": ("Profits climb", "Board splits", "Workers strike", "Investors cheer", "Exports stall", "Prices fall"),
    "Sport": (
        "Late goal settles it",
        "Captain injured",
        "Coach signs on",
        "Record crowd",
        "Season opens",
        "Fans protest",
    ),
    "Politics": ("Vote delayed", "Budget passes", "Inquiry opens", "Rivals agree", "Minister quits", "Poll narrows"),
    "Science": (
        "New species found",
        "Signal confirmed",
        "Trial succeeds",
        "Ice core read",
        "Map redrawn",
        "Grant awarded",
    ),
    "Culture": (
        "Premiere sells out",
        "Lost score found",
        "Critics divided",
        "Tour announced",
        "Doors reopen",
        "Prize shared",
    ),
    "Technology": (
        "Update breaks logins",
        "Prototype shown",
        "Patch released",
        "Chip shortage eases",
        "Beta opens",
        "Outage explained",
    ),
}
ENDINGS = (
    "after a long night of talks",
    "as winter approaches",
    "in the face of doubt",
    "for the first time in a decade",
    "despite early warnings",
    "to general surprise",
    "amid calls for calm",
    "ahead of Thursday's deadline",
)
PLACES = ("Elden", "Marrow Bay", "Northgate", "Tarn Valley", "Castrel", "Green Ridge", "Saint Orrin", "Lower Quay")
COUNTRIES = ("Valdoria", "Northmark", "Isle of Tarn")
AUTHORS = ("Petra Oakes", "Milan Dovic", "Hana Brightwell", "Tomas Eld", "Rika Sorensen-Vale", "Joel Abara")
LEADS = (
    "What began as a rumour is now official.",
    "Those involved asked for patience.",
    "Residents said they had not been told.",
    "The figures were checked twice.",
    "It was not what anyone had planned.",
    "Observers expect more in the coming days.",
)
REMARKS = ("Finally somebody explains it.", "Good reporting, more of this please.", "I had been waiting for this.")
