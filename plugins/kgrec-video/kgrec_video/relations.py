"""The relation types of films, with their names in Freebase, DBpedia, schema.org and Wikidata.

Freebase states most facts twice: ``film.film.directed_by`` from the film to the director, ``film.director.film`` from
the director to the film. Both were checked on the graph of MovieLens-100k: every pair is the other one turned round,
but ``film.film.actor``, whose opposite is nearly missing there.
"""

from __future__ import annotations

from collections.abc import Sequence

from kgrec.plugin import DBPEDIA, SCHEMA_ORG, WIKIDATA, DomainFiles, in_graphs

FILES = DomainFiles("kgrec_video", "video")


def _foreign(
    *, dbpedia: Sequence[str] = (), schema: Sequence[str] = (), wikidata: Sequence[str] = ()
) -> tuple[str, ...]:
    return (
        *in_graphs((*DBPEDIA, "http://dbpedia.org/property/"), *dbpedia),
        *in_graphs(SCHEMA_ORG, *schema),
        *in_graphs(WIKIDATA, *wikidata),
    )


RELATION_TYPES = (
    FILES.relation(
        "directed_by",
        "directed by",
        "director_of",
        "director of",
        tail="person",
        salience=1.0,
        aliases=(
            "film.film.directed_by",
            "film.film.director",
            "director",
            *_foreign(dbpedia=["director"], schema=["director"], wikidata=["P57"]),
        ),
        inverse_aliases=("film.director.film", "tv.tv_director.episodes_directed"),
    ),
    FILES.relation(
        "starring",
        "starring",
        "acted_in",
        "acted in",
        tail="person",
        salience=0.9,
        billed=True,
        aliases=(
            "film.film.actor",
            "film.film.star",
            "film.film.starring",
            "starring",
            "actor",
            *_foreign(dbpedia=["starring"], schema=["actor", "actors"], wikidata=["P161"]),
        ),
        inverse_aliases=("film.actor.film", "film.person_or_entity_appearing_in_film.film"),
    ),
    FILES.relation(
        "written_by",
        "written by",
        "writer_of",
        "writer of",
        tail="person",
        salience=0.75,
        aliases=(
            "film.film.written_by",
            "film.film.writer",
            "writer",
            "screenwriter",
            *_foreign(dbpedia=["writer"], schema=["author"], wikidata=["P58"]),
        ),
        inverse_aliases=("film.writer.film",),
    ),
    FILES.relation(
        "produced_by",
        "produced by",
        "producer_of",
        "producer of",
        tail="person",
        salience=0.35,
        aliases=(
            "film.film.produced_by",
            "film.film.producer",
            "film.film.executive_producer",
            "producer",
            *_foreign(dbpedia=["producer"], schema=["producer"], wikidata=["P162"]),
        ),
        inverse_aliases=("film.producer.film",),
    ),
    FILES.relation(
        "shot_by",
        "photographed by",
        "cinematographer_of",
        "photographed",
        tail="person",
        salience=0.45,
        aliases=(
            "film.film.cinematography",
            "film.film.cinematographer",
            "cinematography",
            *_foreign(dbpedia=["cinematography"], wikidata=["P344"]),
        ),
        inverse_aliases=("film.cinematographer.film",),
    ),
    FILES.relation(
        "edited_by",
        "edited by",
        "editor_of",
        "edited",
        tail="person",
        salience=0.3,
        aliases=(
            "film.film.editor",
            "film.film.edited_by",
            "editing",
            *_foreign(dbpedia=["editing"], schema=["editor"], wikidata=["P1040"]),
        ),
        inverse_aliases=("film.editor.film",),
    ),
    FILES.relation(
        "music_by",
        "music by",
        "composer_of",
        "composed for",
        tail="person",
        salience=0.55,
        aliases=(
            "film.film.music",
            "musicComposer",
            *_foreign(dbpedia=["musicComposer"], schema=["musicBy"], wikidata=["P86"]),
        ),
        inverse_aliases=("film.music_contributor.film",),
    ),
    FILES.relation(
        "has_genre",
        "has genre",
        "genre_of",
        "genre of",
        tail="genre",
        salience=0.3,
        common=True,
        aliases=(
            "film.film.genre",
            "tv.program.genre",
            "genre",
            *_foreign(dbpedia=["genre"], schema=["genre"], wikidata=["P136"]),
        ),
        inverse_aliases=("film.film_genre.films_in_this_genre",),
    ),
    FILES.relation(
        "has_subject",
        "about",
        "subject_of",
        "subject of",
        tail="subject",
        salience=0.6,
        common=True,
        aliases=("film.film.subjects", "subject", *_foreign(dbpedia=["subject"], schema=["about"], wikidata=["P921"])),
        inverse_aliases=("film.film_subject.films",),
    ),
    FILES.relation(
        "made_in",
        "made in",
        "country_of",
        "country of",
        tail="country",
        salience=0.12,
        aliases=(
            "film.film.country",
            "tv.program.country_of_origin",
            "country",
            *_foreign(dbpedia=["country"], schema=["countryOfOrigin"], wikidata=["P495"]),
        ),
    ),
    FILES.relation(
        "in_language",
        "in",
        "language_of",
        "language of",
        tail="language",
        salience=0.08,
        aliases=(
            "film.film.language",
            "language",
            *_foreign(dbpedia=["language"], schema=["inLanguage"], wikidata=["P364"]),
        ),
    ),
    FILES.relation(
        "from_studio",
        "from the studio",
        "studio_of",
        "studio of",
        tail="company",
        salience=0.3,
        aliases=(
            "film.film.production_companies",
            "film.film.production_company",
            "productionCompany",
            *_foreign(dbpedia=["productionCompany"], schema=["productionCompany"], wikidata=["P272"]),
        ),
        inverse_aliases=("film.production_company.films", "film.production_company.film"),
    ),
    FILES.relation(
        "distributed_by",
        "distributed by",
        "distributor_of",
        "distributor of",
        tail="company",
        salience=0.12,
        aliases=(
            "film.film.distributors",
            "distributor",
            *_foreign(dbpedia=["distributor"], schema=["publisher"], wikidata=["P750"]),
        ),
        inverse_aliases=("film.distributor.film", "film.film_distributor.films_distributed"),
    ),
    FILES.relation(
        "rated_for",
        "rated",
        "rating_of",
        "rating of",
        tail="content_rating",
        salience=0.05,
        aliases=("film.film.rating", *_foreign(schema=["contentRating"], wikidata=["P1657"])),
        inverse_aliases=("film.content_rating.film",),
    ),
    FILES.relation(
        "won_award",
        "won",
        "award_won_by",
        "won by",
        tail="award",
        salience=0.4,
        aliases=("film.film.award_won", "award", *_foreign(dbpedia=["award"], schema=["award"], wikidata=["P166"])),
    ),
    FILES.relation(
        "nominated_for",
        "nominated for",
        "nominee",
        "nominated",
        tail="award",
        salience=0.3,
        aliases=("film.film.award_nomination", *_foreign(wikidata=["P1411"])),
    ),
    FILES.relation(
        "followed_by",
        "followed by",
        "sequel_to",
        "sequel to",
        tail="item",
        salience=1.0,
        aliases=("film.film.sequel", "subsequentWork", *_foreign(dbpedia=["subsequentWork"], wikidata=["P156"])),
        inverse_aliases=(
            "film.film.prequel",
            "previousWork",
            *_foreign(dbpedia=["previousWork"], wikidata=["P155"]),
        ),
    ),
    FILES.relation(
        "based_on",
        "based on",
        "adapted_as",
        "adapted as",
        tail="work",
        salience=0.9,
        aliases=("basedOn", *_foreign(dbpedia=["basedOn"], schema=["isBasedOn"], wikidata=["P144"])),
        inverse_aliases=("media_common.adapted_work.adaptations",),
    ),
    FILES.relation(
        "has_tag",
        "tagged",
        "tag_of",
        "tag of",
        tail="tag",
        salience=0.25,
        common=True,
        aliases=_foreign(schema=["keywords"]),
    ),
)
