"""News: what columns, actions and relations mean."""

from __future__ import annotations

from kgrec.plugin import SCHEMA_ORG, WIKIDATA, Attribute, Domain, DomainFiles, TextPattern, in_graphs

FILES = DomainFiles("kgrec_news", "news")


def _wikidata(*properties: str) -> tuple[str, ...]:
    """Return the names of Wikidata's properties as news graphs write them (MIND's use the bare number)."""
    return (*properties, *in_graphs(WIKIDATA, *properties))


RELATION_TYPES = (
    FILES.relation(
        "about",
        "about",
        "topic_of",
        "topic of",
        aliases=("main_subject", *_wikidata("P921"), *in_graphs(SCHEMA_ORG, "about")),
        salience=1.0,
    ),
    FILES.relation(
        "mentions",
        "mentions",
        "mentioned_by",
        "mentioned by",
        aliases=("mention", "has_entity", *in_graphs(SCHEMA_ORG, "mentions")),
        salience=0.7,
    ),
    FILES.relation(
        "in_category",
        "in the section",
        "category_of",
        "section of",
        tail="category",
        aliases=("category", *in_graphs(SCHEMA_ORG, "articleSection")),
        salience=0.2,
        common=True,
    ),
    FILES.relation(
        "written_by",
        "written by",
        "author_of",
        "author of",
        tail="person",
        aliases=("author", *_wikidata("P50"), *in_graphs(SCHEMA_ORG, "author")),
        salience=0.8,
    ),
    FILES.relation(
        "published_by",
        "published by",
        "publisher_of",
        "publisher of",
        tail="publisher",
        aliases=("publisher", *_wikidata("P123"), *in_graphs(SCHEMA_ORG, "publisher")),
        salience=0.2,
    ),
    FILES.relation(
        "reported_from",
        "reported from",
        "place_of",
        "place of",
        tail="place",
        aliases=("location", *_wikidata("P276"), *in_graphs(SCHEMA_ORG, "contentLocation", "locationCreated")),
        salience=0.4,
    ),
    FILES.relation(
        "located_in",
        "located in",
        "location_of",
        "location of",
        head="entity",
        tail="place",
        aliases=_wikidata("P131", "P17", "P159"),
        salience=0.3,
    ),
    FILES.relation(
        "part_of",
        "part of",
        "has_part",
        "has part",
        head="entity",
        aliases=_wikidata("P361", "P463"),
        inverse_aliases=_wikidata("P527"),
        salience=0.5,
    ),
    FILES.relation(
        "led_by",
        "led by",
        "leader_of",
        "leader of",
        head="entity",
        tail="person",
        aliases=_wikidata("P169", "P488", "P6", "P286"),
        salience=0.6,
    ),
)

_NAME = r"(?P<entity>[A-Z][\w'’&-]*(?: [A-Z][\w'’&-]*){1,3})"

NEWS = Domain(
    name="news",
    summary="articles: sections, people, companies, places; old news fade within days; MIND, DKN, Wikidata graphs",
    item_noun=FILES.words("noun"),
    title_marks=FILES.words("title"),
    verbs=FILES.words("verbs"),
    verbs_before_names=FILES.words("verbs_before_names"),
    action_weights={
        # To click is to read, the signal that news have plenty of; an article only seen in a list was passed over.
        "view": 0.1,
        "click": 1.0,
        "search": 0.3,
        "like": 1.2,
        "rate": 1.0,
        "comment": 1.0,
        "share": 1.5,
        "collect": 1.3,
    },
    relation_types=RELATION_TYPES,
    attributes={
        "entities": Attribute(
            "entities", "|", "mentions", ("title_entities", "named_entities", "mentions", "实体", "提及")
        ),
        "topics": Attribute("topics", "|", "about", ("topic", "tags", "keywords", "主题", "关键词", "标签")),
        "category": Attribute("category", None, "in_category", ("section", "channel", "栏目", "频道", "分类")),
        "subcategory": Attribute("subcategory", None, "in_category", ("subsection", "子栏目", "二级分类")),
        "authors": Attribute("authors", ", ", "written_by", ("author", "byline", "作者", "记者")),
        "publisher": Attribute("publisher", None, "published_by", ("source", "outlet", "来源", "媒体")),
        "places": Attribute("places", "|", "reported_from", ("place", "location", "dateline", "地点", "地区")),
        "published": Attribute(
            "published", None, None, ("published_at", "publish_time", "pub_date", "发布时间", "发表时间")
        ),
    },
    columns={
        "interactions": {
            "user": ("user_id", "userId", "user", "uid", "reader_id", "用户", "用户id", "用户编号"),
            "item": (
                "news_id",
                "item_id",
                "article_id",
                "newsId",
                "click_article_id",
                "新闻编号",
                "文章编号",
                "新闻id",
                "文章id",
            ),
            "action": ("action", "event", "event_type", "behavior", "行为", "操作"),
            "value": ("clicked", "value", "dwell_time", "rating", "停留时长", "评分"),
            "time": ("timestamp", "time", "at", "click_timestamp", "date", "时间", "点击时间", "日期"),
            "text": ("text", "comment", "query", "评论", "内容", "搜索词"),
        },
        "items": {
            "id": ("news_id", "item_id", "article_id", "newsId", "新闻编号", "文章编号", "新闻id", "文章id"),
            "title": ("title", "headline", "标题", "新闻标题"),
            "description": ("abstract", "description", "summary", "lead", "body", "摘要", "导语", "正文"),
        },
        "users": {
            "id": ("user_id", "userId", "uid", "reader_id", "用户", "用户id", "用户编号"),
            "description": ("about", "interests", "description", "bio", "兴趣", "简介"),
        },
        "triples": {
            "head": ("head", "head_id", "subject", "头实体"),
            "relation": ("relation", "relation_id", "predicate", "property", "关系"),
            "tail": ("tail", "tail_id", "object", "尾实体"),
        },
        "link": {
            "item": ("news_id", "item_id", "article_id", "新闻编号"),
            "entity": ("entity", "entity_id", "wikidata_id", "uri", "实体"),
        },
    },
    item_template="{title}. {category}. {description} {entities}",
    patterns=(
        TextPattern("about", rf"\b(?:[Mm]ore|[Ll]atest|[Nn]ews|[Ii]nterview) (?:on|about|from|with) {_NAME}", "en"),
        TextPattern("written_by", r"^By (?P<entity>[A-Z][\w'’-]*(?: [A-Z][\w'’-]*){1,2})\b", "en"),
        TextPattern("published_by", r"据(?P<entity>[\u4e00-\u9fff]{2,10}?)(?:报道|消息)", "zh"),
        TextPattern("written_by", r"(?:本报)?记者[ 　]?(?P<entity>[\u4e00-\u9fff]{2,4}?)(?=[报，。 　]|$)", "zh"),
    ),
    sample="kgrec_news.sample:write",
    kinds=FILES.kinds(),
    cues=FILES.words("cues"),
    synonyms=FILES.lines("synonyms.txt"),
    may_say=frozenset({"age", "crime", "faith", "family", "finance", "health", "origin", "orientation", "pregnancy"}),
)
