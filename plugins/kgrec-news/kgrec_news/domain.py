"""News: what columns, actions and relations mean."""

from __future__ import annotations

from kgrec.plugin import Attribute, Domain, RelationType, TextPattern
from kgrec_news.kinds import CUES, KINDS


def _wikidata(*properties: str) -> tuple[str, ...]:
    """Return the names of Wikidata's properties as news graphs write them (MIND's use the bare number)."""
    return (*properties, *(f"http://www.wikidata.org/prop/direct/{name}" for name in properties))


def _schema(*names: str) -> tuple[str, ...]:
    return tuple(
        f"{start}{name}" for name in names for start in ("schema:", "http://schema.org/", "https://schema.org/")
    )


RELATION_TYPES = (
    RelationType(
        "about",
        "about",
        "topic_of",
        "topic of",
        labels={"zh": "主题"},
        inverse_labels={"zh": "主题报道"},
        aliases=("main_subject", *_wikidata("P921"), *_schema("about")),
        reason="also about {entity}",
        reasons={"zh": "同样关于{entity}"},
    ),
    RelationType(
        "mentions",
        "mentions",
        "mentioned_by",
        "mentioned by",
        labels={"zh": "提及"},
        inverse_labels={"zh": "被提及于"},
        aliases=("mention", "has_entity", *_schema("mentions")),
        reason="also mentions {entity}",
        reasons={"zh": "同样提到{entity}"},
    ),
    RelationType(
        "in_category",
        "in the section",
        "category_of",
        "section of",
        tail="category",
        labels={"zh": "栏目"},
        inverse_labels={"zh": "栏目文章"},
        aliases=("category", *_schema("articleSection")),
        reason="also in {entity}",
        reasons={"zh": "同属{entity}栏目"},
    ),
    RelationType(
        "written_by",
        "written by",
        "author_of",
        "author of",
        tail="person",
        labels={"zh": "作者"},
        inverse_labels={"zh": "撰写"},
        aliases=("author", *_wikidata("P50"), *_schema("author")),
        reason="also written by {entity}",
        reasons={"zh": "同样由{entity}撰写"},
    ),
    RelationType(
        "published_by",
        "published by",
        "publisher_of",
        "publisher of",
        tail="publisher",
        labels={"zh": "来源"},
        inverse_labels={"zh": "发布"},
        aliases=("publisher", *_wikidata("P123"), *_schema("publisher")),
        reason="also from {entity}",
        reasons={"zh": "同样来自{entity}"},
    ),
    RelationType(
        "reported_from",
        "reported from",
        "place_of",
        "place of",
        tail="place",
        labels={"zh": "地点"},
        inverse_labels={"zh": "当地报道"},
        aliases=("location", *_wikidata("P276"), *_schema("contentLocation", "locationCreated")),
        reason="also from {entity}",
        reasons={"zh": "同样发生在{entity}"},
    ),
    RelationType(
        "located_in",
        "located in",
        "location_of",
        "location of",
        head="entity",
        tail="place",
        labels={"zh": "位于"},
        inverse_labels={"zh": "所在地"},
        aliases=_wikidata("P131", "P17", "P159"),
        reason="about something in {entity}, too",
        reasons={"zh": "同样与{entity}有关"},
    ),
    RelationType(
        "part_of",
        "part of",
        "has_part",
        "has part",
        head="entity",
        labels={"zh": "隶属"},
        inverse_labels={"zh": "包含"},
        aliases=_wikidata("P361", "P463"),
        inverse_aliases=_wikidata("P527"),
        reason="about another part of {entity}",
        reasons={"zh": "同属{entity}"},
    ),
    RelationType(
        "led_by",
        "led by",
        "leader_of",
        "leader of",
        head="entity",
        tail="person",
        labels={"zh": "负责人"},
        inverse_labels={"zh": "负责"},
        aliases=_wikidata("P169", "P488", "P6", "P286"),
        reason="about what {entity} leads",
        reasons={"zh": "同样由{entity}负责"},
    ),
)

_NAME = r"(?P<entity>[A-Z][\w'’&-]*(?: [A-Z][\w'’&-]*){1,3})"

NEWS = Domain(
    name="news",
    summary="articles: sections, people, companies, places; old news fade within days; MIND, DKN, Wikidata graphs",
    item_noun={"en": "article", "zh": "文章"},
    user_verb={
        "view": {"en": "saw", "zh": "看到过"},
        "click": {"en": "read", "zh": "读过"},
        "like": {"en": "liked", "zh": "点赞过"},
        "rate": {"en": "rated", "zh": "评过分"},
        "comment": {"en": "commented on", "zh": "评论过"},
        "share": {"en": "shared", "zh": "分享过"},
        "collect": {"en": "saved", "zh": "收藏过"},
        "search": {"en": "searched for", "zh": "搜索过"},
    },
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
    kinds=KINDS,
    cues=CUES,
)
