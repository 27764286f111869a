"""Words that data uses for kgrec's fields and actions, in English and Chinese."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from kgrec.plugin.domain import Domain

Fields = Mapping[str, tuple[str, ...]]

_ITEMS = (
    "item_id",
    "item",
    "movie_id",
    "movie",
    "product_id",
    "product",
    "asin",
    "parent_asin",
    "sku",
    "goods_id",
    "book_id",
    "isbn",
    "news_id",
    "article_id",
    "video_id",
    "track_id",
    "song_id",
    "artist_id",
    "business_id",
    "content_id",
    "doc_id",
    "film_id",
    "show_id",
    "game_id",
    "app_id",
    "place_id",
    "recipe_id",
    "course_id",
    "iid",
    "物品id",
    "物品",
    "商品id",
    "商品编号",
    "商品",
    "电影id",
    "电影编号",
    "电影",
    "视频id",
    "视频",
    "新闻id",
    "新闻",
    "图书id",
    "书籍id",
    "图书",
    "歌曲id",
    "项目id",
    "作品id",
    "内容id",
)
_USERS = (
    "user_id",
    "user",
    "uid",
    "visitor_id",
    "reviewer_id",
    "customer_id",
    "member_id",
    "account_id",
    "session_id",
    "viewer_id",
    "reader_id",
    "client_id",
    "reader",
    "viewer",
    "customer",
    "reviewer",
    "buyer_id",
    "用户id",
    "用户编号",
    "用户",
    "会员id",
    "会员",
    "顾客id",
    "顾客",
    "读者id",
    "买家id",
)
_TITLES = (
    "title",
    "name",
    "item_name",
    "item_title",
    "product_title",
    "product_name",
    "movie_title",
    "book_title",
    "headline",
    "标题",
    "名称",
    "片名",
    "书名",
    "商品名称",
    "商品标题",
    "商品名",
    "电影名称",
    "电影名",
    "新闻标题",
    "视频标题",
    "题目",
)
_DESCRIPTIONS = (
    "description",
    "plot",
    "abstract",
    "summary",
    "overview",
    "synopsis",
    "about",
    "bio",
    "描述",
    "简介",
    "剧情",
    "剧情简介",
    "摘要",
    "介绍",
    "内容简介",
    "商品描述",
    "个人简介",
    "正文",
)

FIELDS: Mapping[str, Fields] = {
    "interactions": {
        "user": _USERS,
        "item": _ITEMS,
        "action": (
            "action",
            "behavior",
            "behaviour",
            "event",
            "event_type",
            "action_type",
            "behavior_type",
            "行为",
            "行为类型",
            "动作",
            "操作",
            "事件",
        ),
        "value": (
            "rating",
            "score",
            "stars",
            "overall",
            "clicked",
            "label",
            "评分",
            "打分",
            "得分",
            "分数",
            "星级",
        ),
        "time": (
            "timestamp",
            "time",
            "datetime",
            "date",
            "unix_review_time",
            "review_time",
            "event_time",
            "created_at",
            "ts",
            "at",
            "时间",
            "时间戳",
            "日期",
            "评分时间",
            "行为时间",
            "评论时间",
            "发生时间",
        ),
        "text": (
            "review_text",
            "review",
            "comment",
            "query",
            "search_query",
            "keyword",
            "text",
            "评论",
            "评论内容",
            "评价",
            "评价内容",
            "搜索词",
            "查询",
            "短评",
        ),
    },
    "items": {"id": (*_ITEMS, "id", "编号"), "title": _TITLES, "description": _DESCRIPTIONS},
    "users": {"id": (*_USERS, "id", "编号"), "description": _DESCRIPTIONS},
    "triples": {
        "head": ("head", "head_id", "head_item", "subject", "source", "h", "头实体", "主语", "实体1"),
        "relation": ("relation", "relation_id", "predicate", "property", "r", "关系", "谓语"),
        "tail": ("tail", "tail_id", "tail_item", "object", "target", "t", "尾实体", "宾语", "实体2"),
    },
    "link": {
        "item": _ITEMS,
        "entity": ("entity_id", "entity", "freebase_id", "wikidata_id", "dbpedia_uri", "uri", "iri", "实体id", "实体"),
    },
    "names": {
        "entity": ("entity_id", "entity", "node", "node_id", "uri", "iri", "实体id", "实体"),
        "name": ("name", "label", "title", "entity_name", "名称", "实体名称"),
        "type": ("type", "class", "category", "类型", "类别"),
    },
}
"""Field -> column names it goes by, the likeliest first, by role."""

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "interactions": ("user",),
    "items": ("id",),
    "users": ("id",),
    "triples": ("head", "relation", "tail"),
    "link": ("item", "entity"),
    "names": ("entity", "name"),
}
"""Fields that a file of a role cannot do without."""

ACTION_WORDS: Mapping[str, tuple[str, ...]] = {
    "view": (
        "view",
        "views",
        "pv",
        "pageview",
        "watch",
        "play",
        "read",
        "listen",
        "browse",
        "浏览",
        "观看",
        "播放",
        "阅读",
        "查看",
        "收听",
    ),
    "click": ("click", "open", "clicks", "clicked", "点击"),
    "like": ("like", "likes", "love", "thumbsup", "upvote", "喜欢", "点赞", "赞"),
    "cart": ("cart", "addtocart", "add2cart", "basket", "addtobasket", "加购", "购物车", "加入购物车"),
    "purchase": (
        "purchase",
        "purchased",
        "buy",
        "bought",
        "transaction",
        "order",
        "ordered",
        "pay",
        "checkout",
        "购买",
        "下单",
        "支付",
        "成交",
        "买",
    ),
    "rate": ("rate", "rated", "rating", "评分", "打分"),
    "comment": ("comment", "review", "reply", "评论", "评价", "留言"),
    "share": ("share", "forward", "repost", "retweet", "分享", "转发"),
    "collect": ("collect", "fav", "favorite", "favourite", "bookmark", "save", "wishlist", "收藏", "想看"),
    "search": ("search", "query", "搜索", "查询"),
    "impression": ("impression", "impressions", "exposure", "exposed", "shown", "曝光", "展示", "展现"),
}
"""Words of data for each action, as :func:`fold` leaves them."""


def fold(name: str) -> str:
    """Reduce a column name or word to what counts: ``Movie_ID`` -> ``movieid``, ``用户 ID`` -> ``用户id``."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name)).casefold()


_SAME_IDS = (
    (("items", "id"), ("interactions", "item"), ("link", "item")),
    (("users", "id"), ("interactions", "user")),
)
"""Fields (role, field) whose columns go by the same names."""


def synonyms(role: str, field: str, domain: Domain) -> list[str]:
    """Return the folded names of a field, the domain's first."""
    of_domain: dict[str, Mapping[str, tuple[str, ...]]] = {str(r): fields for r, fields in domain.columns.items()}
    alike = next((group for group in _SAME_IDS if (role, field) in group), ())
    places = [(role, field), *(place for place in alike if place != (role, field))]
    own = [name for r, f in places for name in of_domain.get(r, {}).get(f, ())]
    return list(dict.fromkeys(map(fold, (*own, *FIELDS[role][field]))))
