"""Films and series: what columns, actions and relations mean."""

from __future__ import annotations

from kgrec.plugin import Attribute, Domain, TextPattern
from kgrec_video.relations import FILES, RELATION_TYPES

_WORD = r"(?:[A-Z]\.|[A-Z][\w'’-]*)"
_NAME = rf"(?P<entity>{_WORD}(?: (?:de|van|von|del|la|le|{_WORD})){{1,3}})"
_NAME_ZH = r"(?P<entity>[\u4e00-\u9fff·]{2,12}?)"

VIDEO = Domain(
    name="video",
    summary="films and series: people, genres, studios, sequels; Freebase, DBpedia, schema.org and Wikidata graphs",
    item_noun=FILES.words("noun"),
    title_marks=FILES.words("title"),
    verbs=FILES.words("verbs"),
    verbs_before_names=FILES.words("verbs_before_names"),
    action_weights={
        # Watching costs two hours and says most; a click on a poster says little; a rating's own value tells liking.
        "view": 0.6,
        "click": 0.15,
        "search": 0.1,
        "like": 1.0,
        "rate": 1.0,
        "collect": 0.9,
        "share": 1.0,
        "comment": 0.7,
        "cart": 0.5,
        "purchase": 1.2,
    },
    relation_types=RELATION_TYPES,
    attributes={
        "genres": Attribute(
            "genres", "|", "has_genre", ("genre", "imdb_genres", "listed_in", "class", "类型", "题材类型")
        ),
        "directors": Attribute("directors", ", ", "directed_by", ("director", "directed_by", "导演")),
        "cast": Attribute("cast", ", ", "starring", ("actors", "actor", "stars", "starring", "主演", "演员")),
        "writers": Attribute("writers", ", ", "written_by", ("writer", "screenwriter", "screenwriters", "编剧")),
        "producers": Attribute("producers", ", ", "produced_by", ("producer", "制片人")),
        "studios": Attribute(
            "studios",
            ", ",
            "from_studio",
            ("studio", "production_companies", "production_company", "制作公司", "出品方"),
        ),
        "countries": Attribute(
            "countries", ", ", "made_in", ("country", "production_countries", "制片国家", "国家", "地区")
        ),
        "languages": Attribute(
            "languages", ", ", "in_language", ("language", "original_language", "spoken_languages", "语言")
        ),
        "tags": Attribute("tags", "|", "has_tag", ("tag", "keywords", "标签", "关键词")),
        "content_rating": Attribute("content_rating", None, "rated_for", ("mpaa", "certificate", "分级")),
        "year": Attribute(
            "year", None, None, ("release_year", "imdb_year", "startYear", "movie_year", "年份", "上映年份")
        ),
        "release_date": Attribute("release_date", None, None, ("released", "date_added", "上映日期")),
        "minutes": Attribute("minutes", None, None, ("runtime", "runtimeMinutes", "duration", "片长", "时长")),
    },
    columns={
        "interactions": {
            "user": ("user_id", "userId", "user", "UserID", "uid", "viewer_id", "用户", "用户id", "用户编号"),
            "item": (
                "item_id",
                "movieId",
                "movie_id",
                "MovieID",
                "film_id",
                "video_id",
                "show_id",
                "影片",
                "影片编号",
                "电影id",
            ),
            "action": ("action", "event", "event_type", "behavior", "行为", "操作"),
            "value": ("rating", "score", "stars", "value", "watch_ratio", "评分", "打分"),
            "time": ("timestamp", "time", "date", "watched_at", "rated_at", "时间", "日期"),
            "text": ("comment", "review", "query", "text", "评论", "影评", "搜索词"),
        },
        "items": {
            "id": (
                "item_id",
                "movieId",
                "movie_id",
                "MovieID",
                "film_id",
                "video_id",
                "show_id",
                "tconst",
                "影片编号",
                "电影id",
            ),
            "title": ("title", "movie_title", "name", "primaryTitle", "片名", "影片名", "标题"),
            "description": ("plot", "overview", "description", "synopsis", "summary", "剧情简介", "简介", "剧情"),
        },
        "users": {
            "id": ("user_id", "userId", "UserID", "uid", "用户", "用户id", "用户编号"),
            "description": ("about", "bio", "description", "self_description", "个人简介", "简介"),
        },
        "triples": {
            "head": ("head", "head_id", "subject", "头实体"),
            "relation": ("relation", "relation_id", "predicate", "关系"),
            "tail": ("tail", "tail_id", "object", "尾实体"),
        },
        "link": {
            "item": ("item_id", "movieId", "movie_id", "影片编号"),
            "entity": ("entity", "entity_id", "uri", "iri", "实体"),
        },
    },
    item_template="{title}. {genres}. {description} {entities}",
    patterns=(
        TextPattern("directed_by", rf"\b[Dd]irected by {_NAME}", "en"),
        TextPattern("directed_by", rf"\b(?:film|movie|series|story) by {_NAME}", "en"),
        TextPattern("starring", rf"\b[Ss]tarring {_NAME}", "en"),
        TextPattern("written_by", rf"\b[Ww]ritten by {_NAME}", "en"),
        TextPattern("based_on", r"\b[Bb]ased on (?:the (?:novel|play|book) )?[\"“](?P<entity>[^\"”]{2,60})[\"”]", "en"),
        TextPattern("directed_by", rf"由{_NAME_ZH}(?:执导|导演)", "zh"),
        TextPattern("starring", rf"由?{_NAME_ZH}(?:领衔)?主演", "zh"),
        TextPattern("based_on", r"改编自(?:同名)?(?:小说|漫画)?《(?P<entity>[^》]{1,40})》", "zh"),
    ),
    sample="kgrec_video.sample:write",
    kinds=FILES.kinds(),
    units=FILES.words("units"),
    cues=FILES.words("cues"),
    synonyms=FILES.lines("synonyms.txt"),
    may_say=frozenset({"age", "crime", "faith", "family", "health", "origin"}),
)
