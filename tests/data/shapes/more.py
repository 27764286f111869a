# ruff: noqa: E501
"""Further cases: learning, places, games, Chinese exports, layouts, public data sets."""

import json

from tests.data.shapes.cases import GENRES, TITLES, case, day, epoch, iso, js, pick

# --- learning, places, games, work
case(
    "moodle-grades",
    (
        "grades.csv",
        "First name,Surname,ID number,Email address,Course,Grade,Last downloaded",
        lambda k, u, i, r: f"Ann,Weber{u},S{u:04},s{u}@uni.example,course-{i},{50 + k % 50},{epoch(k)}",
        "interactions user='ID number'|'Email address' item=Course value=Grade",
    ),
)
case(
    "xapi",
    (
        "statements.jsonl",
        "",
        lambda k, u, i, r: json.dumps(
            {
                "id": f"{k:08x}-1111-4222-8333-{k:012x}",
                "actor": {"mbox": f"mailto:a{u}@x.example"},
                "verb": {
                    "id": f"http://adlnet.gov/expapi/verbs/{'completed' if k % 2 else 'launched'}",
                    "display": {"en-US": "completed" if k % 2 else "viewed"},
                },
                "object": {"id": f"https://lms.example/course/{i}", "definition": {"name": {"en": TITLES[i]}}},
                "timestamp": iso(k),
            }
        ),
        "interactions user=actor.mbox item=object.id time=timestamp",
    ),
)
case(
    "mooc-enrolments",
    (
        "enrol.csv",
        "learner_id,course_run,event,ts",
        lambda k, u, i, r: f"L{u},run-{i},{pick(r, 'enrolled', 'unenrolled', 'completed')},{iso(k)}",
        "interactions user=learner_id item=course_run action=event time=ts enrolled>purchase unenrolled>dislike",
    ),
)
case(
    "foursquare-checkins",
    (
        "dataset_TSMC.txt",
        "",
        lambda k, u, i, r: (
            f"{u + 470}\t4b{i:022x}\t4bf58dd8d48988d{i % 4}\t{GENRES[i % 4]} Place\t40.7{i}\t-74.0{i}\t-240\tTue Apr 03 18:{k % 60:02}:09 +0000 2012"
        ),
        "interactions user=column_1 item=column_2 time=column_8",
    ),
)
case(
    "gowalla",
    (
        "checkins.tsv",
        "user\tcheck-in time\tlatitude\tlongitude\tlocation id",
        lambda k, u, i, r: f"{u}\t{iso(k)}\t30.2{i}\t-97.7{i}\t{22800 + i}",
        "interactions user=user item='location id' time='check-in time' const=view",
    ),
)
case(
    "untappd",
    (
        "untappd.json",
        "",
        lambda k, u, i, r: json.dumps(
            {
                "beer_name": TITLES[i],
                "brewery_name": f"Brewery {i % 3}",
                "beer_type": "IPA",
                "comment": "",
                "rating_score": (1 + k % 20) / 4,
                "created_at": f"2024-03-{1 + k % 28:02} 20:{k % 60:02}:00",
                "checkin_id": str(5000 + k),
                "bid": str(i + 70),
            }
        ),
        "interactions item=bid|beer_name value=rating_score time=created_at constant-user const=rate",
    ),
)
case(
    "steam-reviews",
    (
        "reviews.csv",
        "recommendationid,app_id,app_name,author_steamid,voted_up,votes_funny,timestamp_created,review",
        lambda k, u, i, r: (
            f'{k},{i + 500},{TITLES[i]},7656119{u:010},{pick(r, "True", "False")},0,{epoch(k)},"Good game for the long evenings {k}"'
        ),
        "interactions user=author_steamid item=app_id value=voted_up time=timestamp_created text=review",
    ),
)
case(
    "xbox-achievements",
    (
        "xbox.csv",
        "xuid,gamertag,titleId,titleName,lastPlayed,minutesPlayed,currentGamerscore",
        lambda k, u, i, r: f"25330000{u},Gamer{u},{i + 1700},{TITLES[i]},{iso(k)},{k * 7},{k * 10}",
        "interactions user=xuid|gamertag item=titleId time=lastPlayed const=view",
    ),
)
case(
    "anki-revlog",
    (
        "revlog.csv",
        "id,cid,usn,ease,ivl,lastIvl,factor,time,type",
        lambda k, u, i, r: f"{epoch(k)}000,{1600000000000 + i},-1,{1 + k % 4},{k},1,2500,{3000 + k},1",
        "interactions item=cid constant-user",
    ),
)
case(
    "strava-activities",
    (
        "segments.csv",
        "athlete_id,segment_id,segment_name,start_date,elapsed_time,distance",
        lambda k, u, i, r: f"{u + 80},{i + 3000},{TITLES[i]},{iso(k)},{k * 9},{i * 100}",
        "interactions user=athlete_id item=segment_id time=start_date const=view",
    ),
)
case(
    "job-applications",
    (
        "applications.csv",
        "candidate_id,vacancy_id,stage,applied_on",
        lambda k, u, i, r: f"cand{u},job{i},{pick(r, 'applied', 'withdrawn', 'saved')},{day(k)}",
        "interactions user=candidate_id item=vacancy_id action=stage time=applied_on applied>purchase withdrawn>dislike saved>collect",
    ),
)
case(
    "instacart",
    (
        "order_products.csv",
        "order_id,product_id,add_to_cart_order,reordered",
        lambda k, u, i, r: f"{k // 4 + 1},{i + 200},{k % 4 + 1},{k % 2}",
        "interactions user=order_id item=product_id const=purchase|view",
    ),
    (
        "products.csv",
        "product_id,product_name,aisle_id,department_id",
        lambda k, u, i, r: f"{i + 200},{TITLES[i]},{i % 5},{i % 3}",
        "items id=product_id title=product_name attr:aisle_id attr:department_id",
    ),
)
# --- Chinese
case(
    "zhihu-log",
    (
        "行为日志.csv",
        "用户ID,回答ID,问题,行为,时间",
        lambda k, u, i, r: (
            f"u{u},a{i},{TITLES[i]},{pick(r, '赞同', '反对', '收藏', '浏览')},2024-03-{1 + k % 28:02} 10:00:{k % 60:02}"
        ),
        "interactions user=用户ID item=回答ID action=行为 time=时间 赞同>like 反对>dislike 收藏>collect",
    ),
)
case(
    "bilibili",
    (
        "bili.csv",
        "mid,bvid,标题,UP主,操作,时间戳",
        lambda k, u, i, r: (
            f"{u + 9000},BV1{i:09},{TITLES[i]},up{i % 3},{pick(r, '播放', '投币', '弹幕', '不感兴趣')},{epoch(k)}"
        ),
        "interactions user=mid item=bvid action=操作 time=时间戳 投币>like 弹幕>comment 不感兴趣>dislike",
    ),
)
case(
    "ximalaya",
    (
        "收听.csv",
        "会员号,声音编号,声音标题,收听时长(秒),收听时间",
        lambda k, u, i, r: f"{u + 100},{i + 5000},{TITLES[i]},{k * 11},2024/3/{1 + k % 28} 8:0{k % 10}",
        "interactions user=会员号 item=声音编号 time=收听时间 const=view",
    ),
)
case(
    "jd-orders",
    (
        "订单.csv",
        "订单编号,下单时间,买家账号,商品编号,商品名称,数量,实付金额,订单状态",
        lambda k, u, i, r: (
            f"{70000 + k},2024-03-{1 + k % 28:02} 21:{k % 60:02}:00,jd_{u},{i + 10000},{TITLES[i]},1,¥{i + 9}.00,{pick(r, '已完成', '已退款')}"
        ),
        "interactions user=买家账号 item=商品编号 action=订单状态 time=下单时间 已完成>purchase 已退款>dislike",
    ),
)
case(
    "weread-shelf",
    (
        "书架.csv",
        "书名,作者,阅读状态,评分,加入日期",
        lambda k, u, i, r: (
            f"{TITLES[i]}{k},作者{k % 4},{pick(r, '读过', '在读', '想读')},{pick(r, '推荐', '力荐', '还行')},2024-03-{1 + k % 28:02}"
        ),
        "interactions item=书名 value=评分 action=阅读状态 time=加入日期 constant-user 想读>collect",
    ),
)
# --- layouts
case(
    "matrix-thumbs",
    (
        "survey.csv",
        "respondent,Alpha,Beta,Gamma,Delta,Epsilon,Zeta",
        lambda k, u, i, r: f"r{k}," + ",".join(r.choice(["", "1", "2", "3", "4", "5"]) for _ in range(6)),
        "wide user=respondent item=*",
    ),
)
case(
    "history-list",
    (
        "histories.tsv",
        "user_id\thistory",
        lambda k, u, i, r: f"U{k}\t" + " ".join(f"N{r.randrange(12)}" for _ in range(5)),
        "interactions user=user_id item=history",
    ),
)
case(
    "likes-json-list",
    (
        "likes.jsonl",
        "",
        lambda k, u, i, r: js(user=f"u{k}", liked_item_ids=[f"i{r.randrange(12)}" for _ in range(4)]),
        "interactions user=user item=liked_item_ids const=like",
    ),
)
case(
    "empty-user-beside-full",
    (
        "log.csv",
        "user_id,anonymousId,product,event,sent_at",
        lambda k, u, i, r: f",anon-{u},p{i},{pick(r, 'view', 'buy')},{iso(k)}",
        "interactions user=anonymousId item=product action=event time=sent_at",
    ),
)
case(
    "date-clock-zone",
    (
        "scans.csv",
        "Scan Date,Scan Time,TZ,Badge No,Exhibit ID",
        lambda k, u, i, r: f"{day(k)},1{k % 9}:0{k % 10},Europe/Berlin,B{u:03},E{i}",
        "interactions user='Badge No' item='Exhibit ID' time='Scan Date' clock='Scan Time' zone=TZ",
    ),
)
case(
    "two-catalogues",
    ("titles.csv", "sku,title", lambda k, u, i, r: f"s{i},{TITLES[i]}", "items id=sku title=title"),
    (
        "details.csv",
        "sku,brand,long_description",
        lambda k, u, i, r: (
            f"s{i},Brand {i % 3},A thing that one can use every day and that lasts for many years ({i})."
        ),
        "items id=sku description=long_description attr:brand",
    ),
    (
        "buys.csv",
        "client,sku,bought_at",
        lambda k, u, i, r: f"c{u},s{i},{iso(k)}",
        "interactions user=client item=sku time=bought_at const=purchase",
    ),
)
case(
    "triples-uris",
    (
        "facts.csv",
        "s,p,o",
        lambda k, u, i, r: (
            f"http://x.example/item/{i},http://x.example/{pick(r, 'by', 'genre')},http://x.example/e/{k % 7}"
        ),
        "triples head=s relation=p tail=o",
    ),
    (
        "ratings.csv",
        "person,item,mark",
        lambda k, u, i, r: f"p{u},http://x.example/item/{i},{1 + k % 5}",
        "interactions user=person item=item value=mark const=rate",
    ),
)
case(
    "airbnb-listings",
    (
        "listings.csv",
        "id,name,host_id,host_name,neighbourhood,latitude,longitude,room_type,price,last_review,reviews_per_month",
        lambda k, u, i, r: (
            f"{i + 2000},{TITLES[i]} Loft,{i % 4 + 70},Host{i % 4},Area {i % 3},52.5{i},13.4{i},Entire home/apt,{i + 60},2024-03-01,0.5"
        ),
        "items id=id title=name attr:neighbourhood attr:room_type",
    ),
    (
        "reviews.csv",
        "listing_id,id,date,reviewer_id,reviewer_name,comments",
        lambda k, u, i, r: (
            f'{i + 2000},{k + 100},{day(k)},{u + 300},Guest{u},"Lovely place, we had a very nice stay {k}"'
        ),
        "interactions user=reviewer_id item=listing_id time=date text=comments",
    ),
)
