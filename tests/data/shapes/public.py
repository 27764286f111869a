# ruff: noqa: E501
"""Further cases: public data sets and more systems."""

import json

from tests.data.shapes.cases import GENRES, TITLES, case, day, epoch, iso, pick

# --- further systems
case(
    "olist",
    (
        "order_items.csv",
        "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value",
        lambda k, u, i, r: f"{u:032x},1,{i + 99:032x},{i % 3 + 7:032x},{day(k)} 10:00:00,{i + 9}.90,8.72",
        "interactions user=order_id item=product_id",
    ),
    (
        "products.csv",
        "product_id,product_category_name,product_name_lenght,product_weight_g",
        lambda k, u, i, r: f"{i + 99:032x},{GENRES[i % 4]},{40 + i},{100 * i}",
        "items id=product_id attr:product_category_name",
    ),
)
case(
    "h-and-m",
    (
        "transactions_train.csv",
        "t_dat,customer_id,article_id,price,sales_channel_id",
        lambda k, u, i, r: f"{day(k)},{u:064x},0{i + 663713000},0.0{508 + i},{1 + k % 2}",
        "interactions user=customer_id item=article_id time=t_dat const=purchase",
    ),
    (
        "articles.csv",
        "article_id,product_code,prod_name,product_type_name,colour_group_name,department_name,detail_desc",
        lambda k, u, i, r: (
            f'0{i + 663713000},{663713 + i},{TITLES[i]},{GENRES[i % 4]},Black,Dept {i % 3},"Jersey top with narrow shoulder straps and a wide hem ({i})."'
        ),
        "items id=article_id title=prod_name description=detail_desc attr:product_type_name",
    ),
)
case(
    "online-retail-uci",
    (
        "Online Retail.csv",
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
        lambda k, u, i, r: (
            f"{536365 + k},{i + 85123}A,{TITLES[i]},{1 + k % 6},{1 + k % 12}/{1 + k % 28}/2010 8:{k % 60:02},2.55,{17850 + u},United Kingdom"
        ),
        "interactions user=CustomerID item=StockCode time=InvoiceDate const=purchase",
    ),
)
case(
    "otto-sessions",
    (
        "train.jsonl",
        "",
        lambda k, u, i, r: json.dumps(
            {
                "session": k,
                "events": [
                    {"aid": r.randrange(12), "ts": epoch(k) * 1000 + j, "type": r.choice(["clicks", "carts", "orders"])}
                    for j in range(4)
                ],
            }
        ),
        "interactions user=session item=events.aid action=events.type time=events.ts clicks>click carts>cart orders>purchase",
    ),
)
case(
    "diginetica",
    (
        "train-item-views.csv",
        "sessionId;userId;itemId;timeframe;eventdate",
        lambda k, u, i, r: f"{k // 3 + 1};{'NA' if k % 3 else u + 5};{i + 81000};{k * 1000};{day(k)}",
        "interactions user=sessionId item=itemId time=eventdate",
    ),
)
case(
    "yoochoose",
    (
        "yoochoose-clicks.dat",
        "",
        lambda k, u, i, r: f"{u + 1},{iso(k)[:-1]}.351Z,{i + 214536000},{i % 3}",
        "interactions user=column_1 item=column_3 time=column_2",
    ),
)
case(
    "criteo-attribution",
    (
        "attr.tsv",
        "timestamp\tuid\tcampaign\tconversion\tclick\tcost",
        lambda k, u, i, r: f"{epoch(k)}\t{u + 20073966}\t{i + 22589171}\t0\t{k % 2}\t0.0001",
        "interactions user=uid item=campaign time=timestamp",
    ),
)
case(
    "adressa",
    (
        "adressa.jsonl",
        "",
        lambda k, u, i, r: json.dumps(
            {
                "eventId": 1000 + k,
                "city": "oslo",
                "activeTime": k,
                "url": f"http://adressa.no/a{i}",
                "canonicalUrl": f"http://adressa.no/a{i}",
                "userId": f"cx:{u:016x}",
                "publishtime": "2017-01-01T10:00:00.000Z",
                "time": epoch(k),
                "title": TITLES[i],
                "id": f"{i:040x}",
                "documentId": f"{i + 9:040x}",
            }
        ),
        "interactions user=userId item=documentId|id|url|canonicalUrl time=time",
    ),
)
case(
    "globo-clicks",
    (
        "clicks_hour_000.csv",
        "user_id,session_id,session_start,session_size,click_article_id,click_timestamp,click_environment,click_country",
        lambda k, u, i, r: f"{u},{epoch(u)}000,{epoch(u)}000,2,{i + 119592},{epoch(k)}000,4,1",
        "interactions user=user_id item=click_article_id time=click_timestamp const=click",
    ),
)
case(
    "goodbooks",
    (
        "ratings.csv",
        "user_id,book_id,rating",
        lambda k, u, i, r: f"{u},{i + 258},{1 + k % 5}",
        "interactions user=user_id item=book_id value=rating const=rate",
    ),
    ("to_read.csv", "user_id,book_id", lambda k, u, i, r: f"{u},{i + 258}", "interactions user=user_id item=book_id"),
    (
        "books.csv",
        "book_id,goodreads_book_id,best_book_id,isbn,authors,original_publication_year,original_title,title,language_code,average_rating,ratings_count,image_url",
        lambda k, u, i, r: (
            f'{i + 258},{i + 2767000},{i + 2767000},43902348{i},"Anna Weber, Ben Okafor",{1990 + i},{TITLES[i]},"{TITLES[i]} (Saga, #{i})",eng,4.3{i % 10},{478 + i},https://images.example/{i}.jpg'
        ),
        "items id=book_id title=title|original_title attr:authors",
    ),
)
case(
    "jester-wide",
    (
        "jester.csv",
        "user,joke_1,joke_2,joke_3,joke_4,joke_5,joke_6,joke_7,joke_8",
        lambda k, u, i, r: f"u{k}," + ",".join(r.choice(["", "", "1", "2", "4", "5"]) for _ in range(8)),
        "wide user=user item=*",
    ),
)
case(
    "tripadvisor",
    (
        "reviews.csv",
        "hotel_name,reviewer,rating_out_of_5,date_of_stay,review_title,review_text",
        lambda k, u, i, r: (
            f'{TITLES[i]},guest{u},{1 + k % 5}/5,{day(k)},Nice,"We stayed there for two nights and liked it very much {k}"'
        ),
        "interactions user=reviewer item=hotel_name value=rating_out_of_5 time=date_of_stay text=review_text",
    ),
)
case(
    "play-store",
    (
        "reviews.csv",
        "reviewId,userName,content,score,thumbsUpCount,at,appId",
        lambda k, u, i, r: (
            f'r{k},Anna {u},"It works well on my old phone {k}",{1 + k % 5},{k % 3},2024-03-{1 + k % 28:02} 10:00:{k % 60:02},com.app{i}'
        ),
        "interactions user=userName item=appId value=score time=at text=content",
    ),
)
case(
    "kindle-highlights",
    (
        "lesezeichen.csv",
        "Titel;Verfasser;Nutzerin;Aktion;Zeitstempel",
        lambda k, u, i, r: (
            f"{TITLES[i]};Autor {i % 3};leserin{u};{pick(r, 'gelesen', 'gemerkt', 'abgebrochen')};{1 + k % 28:02}.03.2024 20:15"
        ),
        "interactions user=Nutzerin item=Titel action=Aktion time=Zeitstempel gelesen>view gemerkt>collect abgebrochen>dislike",
    ),
)
case(
    "mediathek",
    (
        "abrufe.csv",
        "Abrufdatum;Gerätekennung;Sendungsnummer;Sendungstitel;Genre;Sehdauer (Min.);Aktion",
        lambda k, u, i, r: (
            f"{1 + k % 28:02}.03.2024;g{u:04};S{i:03};{TITLES[i]};{GENRES[i % 4]};{k};{pick(r, 'abgespielt', 'übersprungen', 'gemerkt')}"
        ),
        "interactions user=Gerätekennung item=Sendungsnummer action=Aktion time=Abrufdatum abgespielt>view übersprungen>skip",
    ),
)
case(
    "canvas-lms",
    (
        "requests.csv",
        "timestamp,user_id,course_id,web_application_controller,web_application_action,http_method,url",
        lambda k, u, i, r: f"{iso(k)},{u + 100000},{i + 700},courses,show,GET,/courses/{i + 700}",
        "interactions user=user_id item=course_id time=timestamp",
    ),
)
case(
    "museum",
    (
        "besuche.csv",
        "besucher;exponat;betreten;verweildauer_s",
        lambda k, u, i, r: f"b{u};ex{i};{1 + k % 28:02}.03.2024 11:{k % 60:02};{k * 3}",
        "interactions user=besucher item=exponat time=betreten const=view",
    ),
)
case(
    "telco-plan",
    (
        "subscriptions.csv",
        "msisdn,plan_code,status,status_date",
        lambda k, u, i, r: f"4366012{u:05},PLAN{i},{pick(r, 'subscribed', 'cancelled')},{day(k)}",
        "interactions user=msisdn item=plan_code action=status time=status_date cancelled>dislike",
    ),
)
case(
    "bank-cards",
    (
        "card_txn.csv",
        "card_hash,merchant_id,mcc,amount_eur,booked_at",
        lambda k, u, i, r: f"{u:040x},M{i:05},54{i % 4}1,{k}.10,{iso(k)}",
        "interactions user=card_hash item=merchant_id time=booked_at const=purchase",
    ),
)
case(
    "recipes-app",
    (
        "saves.csv",
        "cook,recipe,saved_at",
        lambda k, u, i, r: f"cook{u},r{i},{iso(k)}",
        "interactions user=cook item=recipe time=saved_at const=collect",
    ),
    (
        "recipes.csv",
        "recipe,title,ingredients,steps,minutes",
        lambda k, u, i, r: (
            f'r{i},{TITLES[i]},"flour, sugar, eggs, item{i % 5}","Mix all, then bake for a good while until it is brown; serve warm ({i}).",{20 + i}'
        ),
        "items id=recipe title=title description=steps attr:ingredients",
    ),
)
case(
    "crm-activities",
    (
        "activities.csv",
        "contact_email,asset_name,activity_type,activity_date,owner",
        lambda k, u, i, r: (
            f"c{u}@firm.example,{TITLES[i]},{pick(r, 'Opened Email', 'Clicked Link', 'Unsubscribed', 'Downloaded')},{day(k)},sales{k % 2}"
        ),
        "interactions user=contact_email item=asset_name action=activity_type time=activity_date 'Clicked Link'>click Unsubscribed>dislike",
    ),
)
case(
    "taobao",
    (
        "用户行为.csv",
        "用户编号,商品编号,类目,行为类型,时间戳",
        lambda k, u, i, r: f"{u + 1},{i + 2268318},{i % 4 + 25},{pick(r, 'pv', 'cart', 'fav', 'buy')},{epoch(k)}",
        "interactions user=用户编号 item=商品编号 action=行为类型 time=时间戳 pv>view fav>collect buy>purchase",
    ),
)
case(
    "qqmusic",
    (
        "听歌记录.csv",
        "QQ号,歌曲名,歌手,专辑,操作,播放时间",
        lambda k, u, i, r: (
            f"{u + 10000},{TITLES[i]},歌手{i % 3},专辑{i % 5},{pick(r, '完播', '切歌', '红心')},2024-03-{1 + k % 28:02} 09:00:{k % 60:02}"
        ),
        "interactions user=QQ号 item=歌曲名 action=操作 time=播放时间 切歌>skip 红心>like",
    ),
)
case(
    "library-zh",
    (
        "借阅.csv",
        "读者证号,题名,索书号,操作类型,操作时间",
        lambda k, u, i, r: (
            f"D{u:06},{TITLES[i]},I247.{i},{pick(r, '借出', '续借', '归还')},2024-03-{1 + k % 28:02} 15:30"
        ),
        "interactions user=读者证号 item=索书号|题名 action=操作类型 time=操作时间 借出>purchase 归还>ignore",
    ),
)
case(
    "french-library",
    (
        "prets.csv",
        "lecteur;exemplaire;titre;date_pret;type",
        lambda k, u, i, r: f"L{u};E{i:05};{TITLES[i]};{1 + k % 28:02}/03/2024;{pick(r, 'prêt', 'retour')}",
        "interactions user=lecteur item=exemplaire time=date_pret",
    ),
)
case(
    "spanish-shop",
    (
        "pedidos.csv",
        "pedido,cliente,producto,cantidad,precio,fecha",
        lambda k, u, i, r: f"{500 + k},C{u:03},P{i:03},{1 + k % 3},{i + 4}.50,{1 + k % 28:02}/03/2024",
        "interactions user=cliente item=producto time=fecha const=purchase",
    ),
)
case("opaque-letters", ("x.csv", "a,b,c", lambda k, u, i, r: f"u{u},i{i},{epoch(k)}", "interactions user=a item=b"))
case(
    "opaque-rating",
    (
        "y.csv",
        "",
        lambda k, u, i, r: f"{u + 1}::{i + 100}::{1 + k % 5}::{epoch(k)}",
        "interactions user=column_1 item=column_2 value=column_3 time=column_4 const=rate",
    ),
)
case(
    "users-table",
    (
        "people.csv",
        "id,first_name,last_name,date_of_birth,postcode,newsletter",
        lambda k, u, i, r: f"{k + 1},Ann,Weber,19{70 + k}-01-02,10{k:03},yes",
        "users id=id",
    ),
    (
        "visits.csv",
        "id,person_id,page,visited",
        lambda k, u, i, r: f"{k + 500},{u + 1},/p/{i},{iso(k)}",
        "interactions user=person_id item=page time=visited",
    ),
)
case(
    "xlsx-like-survey",
    (
        "antworten.csv",
        "Zeitstempel;E-Mail-Adresse;Gericht;Wie hat es geschmeckt?",
        lambda k, u, i, r: (
            f"{1 + k % 28:02}.03.2024 12:00;a{u}@x.example;{TITLES[i]};{pick(r, 'sehr gut', 'gut', 'mittel', 'schlecht')}"
        ),
        "interactions user=E-Mail-Adresse item=Gericht value='Wie hat es geschmeckt?' time=Zeitstempel",
    ),
)
