"""Words that the sample's names are made of. Everything is invented."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST = _words(
    "Ada Bruno Carla Dmitri Elena Farid Greta Hugo Ines Jonas Katya Leon Mira Nils Oona Pavel Quirin Rosa Sven Tilda "
    "Umar Vera Wim Yara"
)
LAST = _words(
    "Abendroth Belmarsh Corvane Dellacroix Eastwick Farnholt Grimaldson Haverlock Ilvanen Jessop-Kerr Kaldera "
    "Lindqvale Marchetti-Lorne Norrland Okonedo-Hale Pellworth Quillfeather Ravnsborg Santorelli Thornquist Ullmark "
    "Vantongeren Whitlocke Zamoranov"
)
ADJECTIVES = _words(
    "Silent Broken Amber Northern Hidden Last Paper Hollow Restless Golden Distant Crooked Velvet Winter Electric "
    "Borrowed Quiet Burning"
)
NOUNS = _words(
    "Harbour Orchard Witness Lantern Frontier Garden Machine Letters Island Carnival Verdict Passage Kingdom Mirror "
    "Signal Summer Station Promise"
)
GENRES = (
    "Drama",
    "Comedy",
    "Thriller",
    "Science Fiction",
    "Romance",
    "Documentary",
    "Crime",
    "Adventure",
    "Horror",
    "Family",
)
COUNTRIES = ("Norway", "Italy", "Canada", "Japan", "Argentina", "Poland", "Senegal", "New Zealand")
HEROES = (
    "A lighthouse keeper",
    "Two estranged sisters",
    "A retired detective",
    "A young engineer",
    "An ageing pianist",
)
PLOTS = (
    "finds a box of photographs that nobody should have kept",
    "has one night to bring a stolen train home",
    "follows a voice on the radio across the country",
    "must choose between the village and the truth",
    "opens a restaurant where no road leads",
    "learns that the neighbours never existed",
)
CITIES = ("Bergen", "Turin", "Halifax", "Sapporo", "Rosario", "Gdansk", "Dakar", "Dunedin")
LIKED = (
    "Loved every minute of it.",
    "One of the best I have seen.",
    "Would watch it again tonight.",
    "Beautifully made.",
)
