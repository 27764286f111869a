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
