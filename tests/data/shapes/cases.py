# ruff: noqa: E501
# fmt: off
"""Small files in the shapes that real systems export, by public documentation of their formats; the content is invented.

A case is a name, its files (header and a function that makes a row) and how they are to be read:
``role field=column ... word>action``. ``k`` counts rows, ``u`` and ``i`` number a user and an item, ``r`` draws.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

TITLES = ["Silver Harbour", "The Quiet Tide", "Winter Engine", "Broken Lantern", "Hollow Garden", "Northern Mirror",
          "Salt Station", "Velvet River", "Distant Signal", "Paper Mountain", "Last Orchard", "Crimson Archive"]  # fmt: skip
GENRES = ["Drama", "Comedy", "Crime", "History"]
Row = Callable[[int, int, int, random.Random], str]


@dataclass(frozen=True)
class Shape:
    """A case: name, files by name, and how each is to be read."""

    name: str
    files: dict[str, str]
    expected: dict[str, str]


CASES: list[Shape] = []


def case(name: str, *files: tuple[str, str, Row, str]) -> None:
    """Add a case; a file of one row an item is one whose expected role is items or users."""
    made, expected = {}, {}
    for file, header, row, want in files:
        draw = random.Random(f"{name}/{file}")
        once = want.startswith(("items", "users", "wide"))
        pairs = [(k, k) for k in range(12)] if once else [(draw.randrange(9), draw.randrange(12)) for _ in range(44)]
        rows = [row(k, u, i, draw) for k, (u, i) in enumerate(pairs)]
        made[file] = ("\n".join([header, *rows]) if header else "\n".join(rows)) + "\n"
        expected[file] = want
    CASES.append(Shape(name, made, expected))


def iso(k: int) -> str:
    """Return a time."""
    return f"2024-03-{1 + k % 28:02}T{k % 24:02}:15:{k % 60:02}Z"


def day(k: int) -> str:
    """Return a date."""
    return f"2024-03-{1 + k % 28:02}"


def epoch(k: int) -> int:
    """Return unix seconds."""
    return 1_700_000_000 + 7_919 * k


def js(**values: object) -> str:
    """Return a line of JSON."""
    return json.dumps({key.replace("__", "."): value for key, value in values.items()}, ensure_ascii=False)


def pick(r: random.Random, *words: str) -> str:
    """Draw a word."""
    return r.choice(words)


# --- web analytics
case(
    "ga4-flat",
    (
        "events.csv",
        "event_date,event_timestamp,event_name,user_pseudo_id,user_id,platform,geo_country,item_id,item_name,item_brand,price,quantity",
        lambda k, u, i, r: (
            f"202403{1 + k % 28:02},{epoch(k)}000000,{pick(r, 'view_item', 'add_to_cart', 'purchase', 'remove_from_cart')},{1000 + u}.{77 + u},,WEB,DE,SKU_{i:03},{TITLES[i]},Brand{i % 3},{9 + i}.90,1"
        ),
        "interactions user=user_pseudo_id item=item_id action=event_name time=event_timestamp view_item>view remove_from_cart>dislike add_to_cart>cart",
    ),
)
case(
    "matomo-actions",
    (
        "visits.csv",
        "idVisit,visitorId,serverTimePretty,actionType,url,pageTitle,productSku,timeSpent",
        lambda k, u, i, r: (
            f"{9000 + k},{u:016x},2024-03-{1 + k % 28:02} 10:{k % 60:02}:00,{pick(r, 'action', 'ecommerceOrder', 'ecommerceAbandonedCart')},https://shop.example/p/{i},{TITLES[i]},P-{i:02},{k * 3}"
        ),
        "interactions user=visitorId item=productSku|url time=serverTimePretty",
    ),
)
case(
    "mixpanel-export",
    (
        "export.jsonl",
        "",
        lambda k, u, i, r: json.dumps(
            {
                "event": pick(r, "Song Played", "Song Skipped", "Song Purchased", "Playlist Shared"),
                "properties": {
                    "time": epoch(k),
                    "distinct_id": f"did-{u}",
                    "$insert_id": f"ins{k}",
                    "$browser": "Chrome",
                    "song_id": f"sng{i}",
                    "Song Name": TITLES[i],
                    "mp_lib": "web",
                },
            }
        ),
        "interactions user=properties.distinct_id item=properties.song_id action=event time=properties.time 'Song Skipped'>skip 'Song Purchased'>purchase",
    ),
)
case(
    "amplitude-export",
    (
        "amp.jsonl",
        "",
        lambda k, u, i, r: js(
            user_id=f"user{u}@mail.example",
            device_id=f"dev-{u}",
            event_type=pick(r, "view_product", "add_to_wishlist", "complete_purchase"),
            event_time=f"2024-03-{1 + k % 28:02} 11:{k % 60:02}:03.123000",
            server_received_time=f"2024-03-{1 + k % 28:02} 11:{k % 60:02}:09.123000",
            uuid=f"{k:08x}-1111-4222-8333-{k:012x}",
            product_id=f"prd_{i}",
            country="Austria",
            session_id=epoch(u),
        ),
        "interactions user=user_id item=product_id action=event_type time=event_time add_to_wishlist>collect complete_purchase>purchase",
    ),
)
case(
    "snowplow-tsv",
    (
        "atomic.tsv",
        "app_id\tplatform\tcollector_tstamp\tdvce_created_tstamp\tevent\tevent_id\tdomain_userid\tpage_urlpath\tse_category\tse_action\tse_label",
        lambda k, u, i, r: (
            f"shop\tweb\t2024-03-{1 + k % 28:02} 08:{k % 60:02}:01.000\t2024-03-{1 + k % 28:02} 08:{k % 60:02}:00.000\tstruct\t{k:08x}-aaaa-4bbb-8ccc-{k:012x}\t{u:08x}\t/p/{i}\tecomm\t{pick(r, 'view', 'add-to-basket', 'checkout')}\tsku{i}"
        ),
        "interactions user=domain_userid item=se_label|page_urlpath action=se_action time=collector_tstamp|dvce_created_tstamp add-to-basket>cart",
    ),
)
case(
    "retail-rocket-like",
    (
        "clicks.csv",
        "ts,visitor,evt,prod,trx",
        lambda k, u, i, r: f"{epoch(k)}000,{u + 4000},{pick(r, 'view', 'addtocart', 'transaction')},{i + 900},",
        "interactions user=visitor item=prod action=evt time=ts addtocart>cart transaction>purchase",
    ),
)
case(
    "plausible-custom",
    (
        "goals.csv",
        "when,who,did,to what",
        lambda k, u, i, r: f"{iso(k)},p{u},{pick(r, 'opened', 'bookmarked', 'reported')},story-{i}",
        "interactions user=who item='to what' action=did time=when opened>click bookmarked>collect reported>dislike",
    ),
)
# --- shops
case(
    "woocommerce-orders",
    (
        "orders.csv",
        "Order ID,Order Status,Order Date,Customer User ID,Billing Email,Item Name,SKU,Quantity,Item Cost,Order Total",
        lambda k, u, i, r: (
            f"{5000 + k},{pick(r, 'completed', 'completed', 'refunded', 'processing')},{day(k)} 12:0{k % 10},{u + 2},c{u}@mail.example,{TITLES[i]},W-{i:03},{1 + k % 2},{10 + i}.00,{12 + i}.00"
        ),
        "interactions user='Customer User ID'|'Billing Email' item=SKU time='Order Date' action='Order Status' completed>purchase refunded>dislike",
    ),
)
case(
    "prestashop-lines",
    (
        "order_detail.csv",
        "id_order_detail;id_order;id_customer;product_id;product_reference;product_name;product_quantity;unit_price_tax_incl;date_add",
        lambda k, u, i, r: (
            f"{k + 1};{k // 2 + 100};{u + 10};{i + 30};REF{i:02};{TITLES[i]};{1 + k % 3};{9 + i},50;2024-03-{1 + k % 28:02} 09:00:{k % 60:02}"
        ),
        "interactions user=id_customer item=product_id|product_reference time=date_add const=purchase",
    ),
)
case(
    "shopify-orders",
    (
        "orders_export.csv",
        "Name,Email,Financial Status,Paid at,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Vendor,Currency",
        lambda k, u, i, r: (
            f"#{1001 + k},c{u}@mail.example,{pick(r, 'paid', 'paid', 'refunded')},{day(k)} 10:00:00 +0100,{day(k)} 09:59:00 +0100,1,{TITLES[i]},{9 + i}.99,SH-{i},Vendor{i % 2},EUR"
        ),
        "interactions user=Email item='Lineitem sku' time='Paid at'|'Created at' paid>purchase refunded>dislike",
    ),
)
case(
    "lightspeed-sales",
    (
        "sales_lines.csv",
        "Sale Date,Register,Sale Line ID,Customer No.,Item System ID,Description,Category,Qty,Retail,Discounts",
        lambda k, u, i, r: (
            f"03/{1 + k % 28:02}/2024 3:{k % 60:02} PM,Main,{70000 + k},K{u:04},2100000{i:05},{TITLES[i]},{GENRES[i % 4]},1,${i + 4}.99,$0.00"
        ),
        "interactions user='Customer No.' item='Item System ID' time='Sale Date' const=purchase",
    ),
)
case(
    "sap-vbap",
    (
        "VBAP.csv",
        "VBELN;POSNR;KUNNR;MATNR;ARKTX;KWMENG;NETWR;ERDAT",
        lambda k, u, i, r: (
            f"{90000 + k};{10:06};{u:010};MAT{i:05};{TITLES[i]};{1 + k % 4},000;{20 + i},00;202403{1 + k % 28:02}"
        ),
        "interactions user=KUNNR item=MATNR time=ERDAT const=purchase|view",
    ),
)
case(
    "german-erp",
    (
        "Belege.csv",
        "Belegnummer;Belegart;Belegdatum;Kundennummer;Kundenname;Artikelnummer;Artikelbezeichnung;Warengruppe;Menge;Einzelpreis",
        lambda k, u, i, r: (
            f"{800 + k};{pick(r, 'Rechnung', 'Gutschrift', 'Rechnung')};{1 + k % 28:02}.03.2024;D{u:05};Firma {u};{i:06};{TITLES[i]};{GENRES[i % 4]};{1 + k % 3};{i + 3},90"
        ),
        "interactions user=Kundennummer item=Artikelnummer time=Belegdatum action=Belegart Rechnung>purchase Gutschrift>dislike",
    ),
)
case(
    "datev-like",
    (
        "buchungen.csv",
        "Datum;Kunde;Artikel;Bezeichnung;Vorgang;Betrag",
        lambda k, u, i, r: (
            f"{1 + k % 28:02}.03.2024;K-{u:03};A-{i:03};{TITLES[i]};{pick(r, 'Verkauf', 'Retoure', 'Verkauf')};{i + 3},90 €"
        ),
        "interactions user=Kunde item=Artikel time=Datum action=Vorgang Verkauf>purchase Retoure>dislike",
    ),
)
case(
    "basket-without-customer",
    (
        "pos.csv",
        "receipt_no,line,article,description,amount,sold_at",
        lambda k, u, i, r: f"R{k // 3:05},{k % 3},A{i:04},{TITLES[i]},{i + 1}.50,{day(k // 3)} 1{k % 9}:00",
        "interactions user=receipt_no item=article time=sold_at const=purchase",
    ),
)
case(
    "order-with-list",
    (
        "orders.csv",
        "order,customer_id,ordered_on,product_ids",
        lambda k, u, i, r: f"{100 + k},c{u:02},{day(k)},p{i};p{(i + 3) % 12};p{(i + 5) % 12}",
        "interactions user=customer_id item=product_ids time=ordered_on separator=; const=purchase",
    ),
)
case(
    "order-packed-quantities",
    (
        "orders.csv",
        "Order,Customer ID,Date,Products",
        lambda k, u, i, r: f'{100 + k},c{u:02},{day(k)},"SKU{i:02} x{1 + k % 2}, SKU{(i + 3) % 12:02} x1"',
        "interactions user='Customer ID' item=Products time=Date const=purchase pattern=yes",
    ),
)
case(
    "order-json-lines",
    (
        "orders.csv",
        "id,buyer_email,placed_at,line_items",
        lambda k, u, i, r: (
            f'{100 + k},b{u}@mail.example,{iso(k)},"'
            + json.dumps([{"sku": f"S{i}", "qty": 1}, {"sku": f"S{(i + 4) % 12}", "qty": 2}]).replace('"', '""')
            + '"'
        ),
        "interactions user=buyer_email item=line_items time=placed_at const=purchase pattern=yes",
    ),
)
case(
    "shop-two-files",
    (
        "katalog.csv",
        "Artikel-Nr.;Bezeichnung;Hersteller;Kategorie;Preis;Beschreibung",
        lambda k, u, i, r: (
            f"{i:05};{TITLES[i]};Marke {i % 3};{GENRES[i % 4]};{i + 9},99;Ein schöner Artikel für jeden Tag, Nummer {i}."
        ),
        "items id=Artikel-Nr. title=Bezeichnung description=Beschreibung attr:Hersteller attr:Kategorie",
    ),
    (
        "klicks.csv",
        "zeitpunkt;nutzer;artikel_nr;ereignis",
        lambda k, u, i, r: (
            f"{1 + k % 28:02}.03.2024 12:{k % 60:02};n{u};{i:05};{pick(r, 'angesehen', 'Warenkorb', 'gekauft')}"
        ),
        "interactions user=nutzer item=artikel_nr action=ereignis time=zeitpunkt angesehen>view gekauft>purchase",
    ),
)
case(
    "reviews-stars-text",
    (
        "reviews.csv",
        "review_id,customer,product_title,product_sku,stars,title,body,created",
        lambda k, u, i, r: (
            f'R{k},cust{u},{TITLES[i]},Z{i},{"★" * (1 + k % 5) + "☆" * (4 - k % 5)},Nice,"I liked it, it works well for me number {k}",{iso(k)}'
        ),
        "interactions user=customer item=product_sku value=stars text=body time=created const=rate",
    ),
)
# --- films and music
case(
    "trakt-history",
    (
        "history.json",
        "",
        lambda k, u, i, r: json.dumps(
            {
                "id": 9000 + k,
                "watched_at": iso(k),
                "action": pick(r, "watch", "scrobble", "checkin"),
                "type": "movie",
                "movie": {"title": TITLES[i], "year": 1990 + i, "ids": {"trakt": i + 1, "slug": f"film-{i}"}},
            }
        ),
        "interactions item=movie.ids.trakt|movie.ids.slug action=action time=watched_at constant-user watch>view",
    ),
)
case(
    "letterboxd-ratings",
    (
        "ratings.csv",
        "Date,Name,Year,Letterboxd URI,Rating",
        lambda k, u, i, r: f"{day(k)},{TITLES[i]} {k},{1980 + k % 40},https://boxd.it/{k:04x},{(1 + k % 10) / 2}",
        "interactions item='Letterboxd URI'|Name value=Rating time=Date constant-user const=rate",
    ),
)
case(
    "imdb-ratings",
    (
        "ratings.csv",
        "Const,Your Rating,Date Rated,Title,URL,Title Type,IMDb Rating,Runtime (mins),Year,Genres,Num Votes,Directors",
        lambda k, u, i, r: (
            f'tt{k:07},{1 + k % 10},{day(k)},{TITLES[i]} {k},https://www.imdb.com/title/tt{k:07}/,movie,{6 + k % 3}.{k % 10},{90 + k},{1980 + k % 40},"Drama, Crime",{1000 + k},Anna Weber'
        ),
        "interactions item=Const value='Your Rating' time='Date Rated' constant-user const=rate",
    ),
)
case(
    "netflix-viewing",
    (
        "NetflixViewingHistory.csv",
        "Title,Date",
        lambda k, u, i, r: f'"{TITLES[i]}",{1 + k % 12}/{13 + k % 15}/24',
        "interactions item=Title time=Date constant-user const=view",
    ),
)
case(
    "plex-history",
    (
        "plex.csv",
        "date,user,player,platform,title,rating_key,percent_complete,watched_status",
        lambda k, u, i, r: f"{epoch(k)},user{u},TV,Roku,{TITLES[i]},{5000 + i},{k % 100},1",
        "interactions user=user item=rating_key|title time=date const=view",
    ),
)
case(
    "lastfm-scrobbles",
    (
        "scrobbles.tsv",
        "",
        lambda k, u, i, r: (
            f"user_{u:06}\t{iso(k)}\t{i:08x}-0000-4000-8000-00000000000{i % 10}\tBand {i % 4}\t{i + 99:08x}-0000-4000-8000-00000000000{i % 10}\t{TITLES[i]}"
        ),
        "interactions user=column_1 item=column_5|column_6|column_3|column_4 time=column_2",
    ),
)
case(
    "kkbox-train",
    (
        "train.csv",
        "msno,song_id,source_system_tab,source_screen_name,source_type,target",
        lambda k, u, i, r: f"hash{u:02}=,song{i:02}=,explore,Explore,online-playlist,{k % 2}",
        "interactions user=msno item=song_id",
    ),
)
case(
    "deezer-listening",
    (
        "deezer.csv",
        "genre_id,ts_listen,media_id,album_id,context_type,release_date,platform_name,user_id,artist_id,user_gender,user_age,is_listened",
        lambda k, u, i, r: (
            f"{i % 4},{epoch(k)},{i + 700},{i % 5 + 50},{k % 3},20040704,1,{u + 9000},{i % 4 + 20},{u % 2},{18 + u},{k % 2}"
        ),
        "interactions user=user_id item=media_id time=ts_listen",
    ),
)
case(
    "spotify-account-data",
    (
        "StreamingHistory0.json",
        "",
        lambda k, u, i, r: json.dumps(
            {
                "endTime": f"2024-03-{1 + k % 28:02} 10:{k % 60:02}",
                "artistName": f"Band {i % 4}",
                "trackName": TITLES[i],
                "msPlayed": 1000 * k,
            }
        ),
        "interactions item=trackName time=endTime constant-user const=view",
    ),
)
case(
    "anime-list",
    (
        "users_lists.csv",
        "user_id,anime_id,score,watching_status,watched_episodes,my_last_updated",
        lambda k, u, i, r: f"{u},{i + 100},{1 + k % 10},{1 + k % 4},{k % 24},{epoch(k)}",
        "interactions user=user_id item=anime_id value=score",
    ),
)
case(
    "mal-words",
    (
        "lists.csv",
        "username,anime,status,rating,updated_at",
        lambda k, u, i, r: (
            f"otaku{u},{TITLES[i]},{pick(r, 'Completed', 'Watching', 'Dropped', 'Plan to Watch')},{'' if k % 4 == 3 else 1 + k % 10},{iso(k)}"
        ),
        "interactions user=username item=anime action=status value=rating time=updated_at Dropped>dislike 'Plan to Watch'>collect",
    ),
)
# --- books and libraries
case(
    "goodreads-export",
    (
        "goodreads_library_export.csv",
        "Book Id,Title,Author,ISBN,My Rating,Average Rating,Publisher,Number of Pages,Year Published,Date Read,Date Added,Bookshelves,Exclusive Shelf",
        lambda k, u, i, r: (
            f"{30000 + k},{TITLES[i]} {k},Author {k % 5},,{k % 6},3.{k % 100:02},House {k % 3},{100 + k},{1980 + k % 40},2024/03/{1 + k % 28:02},2024/02/{1 + k % 28:02},novels,{pick(r, 'read', 'to-read')}"
        ),
        "interactions item='Book Id' value='My Rating' time='Date Read'|'Date Added' constant-user",
    ),
)
case(
    "storygraph",
    (
        "storygraph.csv",
        "Title,Authors,ISBN/UID,Format,Read Status,Date Added,Last Date Read,Star Rating,Tags",
        lambda k, u, i, r: (
            f"{TITLES[i]} {k},Author {k % 5},978{k:010},paperback,{pick(r, 'read', 'to-read', 'did-not-finish')},2024/02/{1 + k % 28:02},2024/03/{1 + k % 28:02},{(1 + k % 10) / 2},cosy"
        ),
        "interactions item=ISBN/UID|Title value='Star Rating' action='Read Status' constant-user read>view to-read>collect did-not-finish>dislike",
    ),
)
case(
    "koha-statistics",
    (
        "statistics.csv",
        "datetime,branch,value,type,itemnumber,biblionumber,borrowernumber,ccode",
        lambda k, u, i, r: (
            f"2024-03-{1 + k % 28:02} 09:{k % 60:02}:00,MAIN,0.00,{pick(r, 'issue', 'renew', 'return')},{i + 600},{i + 400},{u + 51},FIC"
        ),
        "interactions user=borrowernumber item=itemnumber|biblionumber action=type time=datetime issue>purchase return>ignore",
    ),
)
case(
    "bibliothek",
    (
        "ausleihen.csv",
        "Leserausweis;Mediennummer;Titel;Verfasser;Vorgang;Datum",
        lambda k, u, i, r: (
            f"L{u:05};M{i:06};{TITLES[i]};Verfasser {i % 4};{pick(r, 'Ausleihe', 'Verlängerung', 'Rückgabe')};{1 + k % 28:02}.03.2024"
        ),
        "interactions user=Leserausweis item=Mediennummer action=Vorgang time=Datum Ausleihe>purchase Rückgabe>ignore",
    ),
)
case(
    "calibre-catalog",
    (
        "calibre.csv",
        "author_sort,authors,comments,id,isbn,languages,pubdate,publisher,rating,series,tags,timestamp,title,uuid",
        lambda k, u, i, r: (
            f'"Weber, A","Anna Weber & Ben Okafor","A long story about the sea and those who live from it, told in {k} chapters.",{k + 1},978{k:010},eng,2001-01-0{1 + k % 9},House {k % 3},,Saga {k % 2},"fiction, sea",2024-03-{1 + k % 28:02}T00:00:00,{TITLES[i]},{k:08x}-1111-4222-8333-{k:012x}'
        ),
        "items id=id title=title description=comments attr:tags attr:series attr:publisher",
    ),
)
case(
    "bookcrossing",
    (
        "BX-Book-Ratings.csv",
        '"User-ID";"ISBN";"Book-Rating"',
        lambda k, u, i, r: f'"{276700 + u}";"03450{i:05}";"{k % 11}"',
        "interactions user=User-ID item=ISBN value=Book-Rating const=rate",
    ),
    (
        "BX-Books.csv",
        '"ISBN";"Book-Title";"Book-Author";"Year-Of-Publication";"Publisher";"Image-URL-S"',
        lambda k, u, i, r: (
            f'"03450{i:05}";"{TITLES[i]}";"Author {i % 4}";"{1980 + i}";"House {i % 3}";"http://images.example/{i}.jpg"'
        ),
        "items id=ISBN title=Book-Title attr:Book-Author attr:Publisher",
    ),
    (
        "BX-Users.csv",
        '"User-ID";"Location";"Age"',
        lambda k, u, i, r: f'"{276700 + u}";"town {u % 4}";"{20 + u}"',
        "users id=User-ID",
    ),
)
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

# --- further systems
case("olist", ("order_items.csv", "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value", lambda k, u, i, r: f"{u:032x},1,{i + 99:032x},{i % 3 + 7:032x},{day(k)} 10:00:00,{i + 9}.90,8.72", "interactions user=order_id item=product_id"),
     ("products.csv", "product_id,product_category_name,product_name_lenght,product_weight_g", lambda k, u, i, r: f"{i + 99:032x},{GENRES[i % 4]},{40 + i},{100 * i}", "items id=product_id attr:product_category_name"))
case("h-and-m", ("transactions_train.csv", "t_dat,customer_id,article_id,price,sales_channel_id", lambda k, u, i, r: f"{day(k)},{u:064x},0{i + 663713000},0.0{508 + i},{1 + k % 2}", "interactions user=customer_id item=article_id time=t_dat const=purchase"),
     ("articles.csv", "article_id,product_code,prod_name,product_type_name,colour_group_name,department_name,detail_desc", lambda k, u, i, r: f'0{i + 663713000},{663713 + i},{TITLES[i]},{GENRES[i % 4]},Black,Dept {i % 3},"Jersey top with narrow shoulder straps and a wide hem ({i})."', "items id=article_id title=prod_name description=detail_desc attr:product_type_name"))
case("online-retail-uci", ("Online Retail.csv", "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country", lambda k, u, i, r: f"{536365 + k},{i + 85123}A,{TITLES[i]},{1 + k % 6},{1 + k % 12}/{1 + k % 28}/2010 8:{k % 60:02},2.55,{17850 + u},United Kingdom", "interactions user=CustomerID item=StockCode time=InvoiceDate const=purchase"))
case("otto-sessions", ("train.jsonl", "", lambda k, u, i, r: json.dumps({"session": k, "events": [{"aid": r.randrange(12), "ts": epoch(k) * 1000 + j, "type": r.choice(["clicks", "carts", "orders"])} for j in range(4)]}), "interactions user=session item=events.aid action=events.type time=events.ts clicks>click carts>cart orders>purchase"))
case("diginetica", ("train-item-views.csv", "sessionId;userId;itemId;timeframe;eventdate", lambda k, u, i, r: f"{k // 3 + 1};{'NA' if k % 3 else u + 5};{i + 81000};{k * 1000};{day(k)}", "interactions user=sessionId item=itemId time=eventdate"))
case("yoochoose", ("yoochoose-clicks.dat", "", lambda k, u, i, r: f"{u + 1},{iso(k)[:-1]}.351Z,{i + 214536000},{i % 3}", "interactions user=column_1 item=column_3 time=column_2"))
case("criteo-attribution", ("attr.tsv", "timestamp\tuid\tcampaign\tconversion\tclick\tcost", lambda k, u, i, r: f"{epoch(k)}\t{u + 20073966}\t{i + 22589171}\t0\t{k % 2}\t0.0001", "interactions user=uid item=campaign time=timestamp"))
case("adressa", ("adressa.jsonl", "", lambda k, u, i, r: json.dumps({"eventId": 1000 + k, "city": "oslo", "activeTime": k, "url": f"http://adressa.no/a{i}", "canonicalUrl": f"http://adressa.no/a{i}", "userId": f"cx:{u:016x}", "publishtime": "2017-01-01T10:00:00.000Z", "time": epoch(k), "title": TITLES[i], "id": f"{i:040x}", "documentId": f"{i + 9:040x}"}), "interactions user=userId item=documentId|id|url|canonicalUrl time=time"))
case("globo-clicks", ("clicks_hour_000.csv", "user_id,session_id,session_start,session_size,click_article_id,click_timestamp,click_environment,click_country", lambda k, u, i, r: f"{u},{epoch(u)}000,{epoch(u)}000,2,{i + 119592},{epoch(k)}000,4,1", "interactions user=user_id item=click_article_id time=click_timestamp const=click"))
case("goodbooks", ("ratings.csv", "user_id,book_id,rating", lambda k, u, i, r: f"{u},{i + 258},{1 + k % 5}", "interactions user=user_id item=book_id value=rating const=rate"),
     ("to_read.csv", "user_id,book_id", lambda k, u, i, r: f"{u},{i + 258}", "interactions user=user_id item=book_id"),
     ("books.csv", "book_id,goodreads_book_id,best_book_id,isbn,authors,original_publication_year,original_title,title,language_code,average_rating,ratings_count,image_url", lambda k, u, i, r: f'{i + 258},{i + 2767000},{i + 2767000},43902348{i},"Anna Weber, Ben Okafor",{1990 + i},{TITLES[i]},"{TITLES[i]} (Saga, #{i})",eng,4.3{i % 10},{478 + i},https://images.example/{i}.jpg', "items id=book_id title=title|original_title attr:authors"))
case("jester-wide", ("jester.csv", "user,joke_1,joke_2,joke_3,joke_4,joke_5,joke_6,joke_7,joke_8", lambda k, u, i, r: f"u{k}," + ",".join(r.choice(["", "", "1", "2", "4", "5"]) for _ in range(8)), "wide user=user item=*"))
case("tripadvisor", ("reviews.csv", "hotel_name,reviewer,rating_out_of_5,date_of_stay,review_title,review_text", lambda k, u, i, r: f'{TITLES[i]},guest{u},{1 + k % 5}/5,{day(k)},Nice,"We stayed there for two nights and liked it very much {k}"', "interactions user=reviewer item=hotel_name value=rating_out_of_5 time=date_of_stay text=review_text"))
case("play-store", ("reviews.csv", "reviewId,userName,content,score,thumbsUpCount,at,appId", lambda k, u, i, r: f'r{k},Anna {u},"It works well on my old phone {k}",{1 + k % 5},{k % 3},2024-03-{1 + k % 28:02} 10:00:{k % 60:02},com.app{i}', "interactions user=userName item=appId value=score time=at text=content"))
case("kindle-highlights", ("lesezeichen.csv", "Titel;Verfasser;Nutzerin;Aktion;Zeitstempel", lambda k, u, i, r: f"{TITLES[i]};Autor {i % 3};leserin{u};{pick(r, 'gelesen', 'gemerkt', 'abgebrochen')};{1 + k % 28:02}.03.2024 20:15", "interactions user=Nutzerin item=Titel action=Aktion time=Zeitstempel gelesen>view gemerkt>collect abgebrochen>dislike"))
case("mediathek", ("abrufe.csv", "Abrufdatum;Gerätekennung;Sendungsnummer;Sendungstitel;Genre;Sehdauer (Min.);Aktion", lambda k, u, i, r: f"{1 + k % 28:02}.03.2024;g{u:04};S{i:03};{TITLES[i]};{GENRES[i % 4]};{k};{pick(r, 'abgespielt', 'übersprungen', 'gemerkt')}", "interactions user=Gerätekennung item=Sendungsnummer action=Aktion time=Abrufdatum abgespielt>view übersprungen>skip"))
case("canvas-lms", ("requests.csv", "timestamp,user_id,course_id,web_application_controller,web_application_action,http_method,url", lambda k, u, i, r: f"{iso(k)},{u + 100000},{i + 700},courses,show,GET,/courses/{i + 700}", "interactions user=user_id item=course_id time=timestamp"))
case("museum", ("besuche.csv", "besucher;exponat;betreten;verweildauer_s", lambda k, u, i, r: f"b{u};ex{i};{1 + k % 28:02}.03.2024 11:{k % 60:02};{k * 3}", "interactions user=besucher item=exponat time=betreten const=view"))
case("telco-plan", ("subscriptions.csv", "msisdn,plan_code,status,status_date", lambda k, u, i, r: f"4366012{u:05},PLAN{i},{pick(r, 'subscribed', 'cancelled')},{day(k)}", "interactions user=msisdn item=plan_code action=status time=status_date cancelled>dislike"))
case("bank-cards", ("card_txn.csv", "card_hash,merchant_id,mcc,amount_eur,booked_at", lambda k, u, i, r: f"{u:040x},M{i:05},54{i % 4}1,{k}.10,{iso(k)}", "interactions user=card_hash item=merchant_id time=booked_at const=purchase"))
case("recipes-app", ("saves.csv", "cook,recipe,saved_at", lambda k, u, i, r: f"cook{u},r{i},{iso(k)}", "interactions user=cook item=recipe time=saved_at const=collect"),
     ("recipes.csv", "recipe,title,ingredients,steps,minutes", lambda k, u, i, r: f'r{i},{TITLES[i]},"flour, sugar, eggs, item{i % 5}","Mix all, then bake for a good while until it is brown; serve warm ({i}).",{20 + i}', "items id=recipe title=title description=steps attr:ingredients"))
case("crm-activities", ("activities.csv", "contact_email,asset_name,activity_type,activity_date,owner", lambda k, u, i, r: f"c{u}@firm.example,{TITLES[i]},{pick(r, 'Opened Email', 'Clicked Link', 'Unsubscribed', 'Downloaded')},{day(k)},sales{k % 2}", "interactions user=contact_email item=asset_name action=activity_type time=activity_date 'Clicked Link'>click Unsubscribed>dislike"))
case("taobao", ("用户行为.csv", "用户编号,商品编号,类目,行为类型,时间戳", lambda k, u, i, r: f"{u + 1},{i + 2268318},{i % 4 + 25},{pick(r, 'pv', 'cart', 'fav', 'buy')},{epoch(k)}", "interactions user=用户编号 item=商品编号 action=行为类型 time=时间戳 pv>view fav>collect buy>purchase"))
case("qqmusic", ("听歌记录.csv", "QQ号,歌曲名,歌手,专辑,操作,播放时间", lambda k, u, i, r: f"{u + 10000},{TITLES[i]},歌手{i % 3},专辑{i % 5},{pick(r, '完播', '切歌', '红心')},2024-03-{1 + k % 28:02} 09:00:{k % 60:02}", "interactions user=QQ号 item=歌曲名 action=操作 time=播放时间 切歌>skip 红心>like"))
case("library-zh", ("借阅.csv", "读者证号,题名,索书号,操作类型,操作时间", lambda k, u, i, r: f"D{u:06},{TITLES[i]},I247.{i},{pick(r, '借出', '续借', '归还')},2024-03-{1 + k % 28:02} 15:30", "interactions user=读者证号 item=索书号|题名 action=操作类型 time=操作时间 借出>purchase 归还>ignore"))
case("french-library", ("prets.csv", "lecteur;exemplaire;titre;date_pret;type", lambda k, u, i, r: f"L{u};E{i:05};{TITLES[i]};{1 + k % 28:02}/03/2024;{pick(r, 'prêt', 'retour')}", "interactions user=lecteur item=exemplaire time=date_pret"))
case("spanish-shop", ("pedidos.csv", "pedido,cliente,producto,cantidad,precio,fecha", lambda k, u, i, r: f"{500 + k},C{u:03},P{i:03},{1 + k % 3},{i + 4}.50,{1 + k % 28:02}/03/2024", "interactions user=cliente item=producto time=fecha const=purchase"))
case("opaque-letters", ("x.csv", "a,b,c", lambda k, u, i, r: f"u{u},i{i},{epoch(k)}", "interactions user=a item=b"))
case("opaque-rating", ("y.csv", "", lambda k, u, i, r: f"{u + 1}::{i + 100}::{1 + k % 5}::{epoch(k)}", "interactions user=column_1 item=column_2 value=column_3 time=column_4 const=rate"))
case("users-table", ("people.csv", "id,first_name,last_name,date_of_birth,postcode,newsletter", lambda k, u, i, r: f"{k + 1},Ann,Weber,19{70 + k}-01-02,10{k:03},yes", "users id=id"),
     ("visits.csv", "id,person_id,page,visited", lambda k, u, i, r: f"{k + 500},{u + 1},/p/{i},{iso(k)}", "interactions user=person_id item=page time=visited"))
case("xlsx-like-survey", ("antworten.csv", "Zeitstempel;E-Mail-Adresse;Gericht;Wie hat es geschmeckt?", lambda k, u, i, r: f"{1 + k % 28:02}.03.2024 12:00;a{u}@x.example;{TITLES[i]};{pick(r, 'sehr gut', 'gut', 'mittel', 'schlecht')}", "interactions user=E-Mail-Adresse item=Gericht value='Wie hat es geschmeckt?' time=Zeitstempel"))
