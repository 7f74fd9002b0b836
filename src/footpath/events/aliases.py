"""Names that columns and events go by elsewhere: product analytics, trackers, recommender tools, public data sets.

Names are compared without case and punctuation (`user_pseudo_id`, `userPseudoId` and `User Pseudo ID` are one name). A name inside a
nested object counts by its path (`properties.product_id`) first, then by its last part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Ranks = tuple[tuple[str, ...], ...]

EVENT_ALIASES: Final[Mapping[str, Ranks]] = {
    "user_id": (
        ("userid",),
        (
            *("user", "uid", "visitorid", "visitor", "customerid", "customer", "clientid", "memberid", "member", "accountid"),
            *("distinctid", "anonymousid", "userpseudoid", "domainuserid", "networkuserid", "reviewerid", "buyerid", "shopperid"),
            *("playerid", "personid", "profileid", "subscriberid", "fullvisitorid", "cookieid", "amplitudeid", "externalid", "userkey"),
            *("username", "useruid", "useruuid", "custid", "uuserid", "learnerid", "studentid", "readerid", "listenerid", "viewerid"),
        ),
        ("deviceid", "usr"),
    ),
    "item_id": (
        ("itemid",),
        (
            *("item", "iid", "productid", "product", "movieid", "movie", "articleid", "songid", "trackid", "videoid", "bookid", "isbn"),
            *("asin", "contentid", "docid", "documentid", "newsid", "gameid", "listingid", "offerid", "postid", "adid", "courseid"),
            *("recipeid", "businessid", "hotelid", "propertyid", "jobid", "artistid", "restaurantid", "poiid", "venueid", "goodsid"),
            *("merchandiseid", "objectid", "resourceid", "itemsitemid", "propertiesproductid", "itemkey", "itemuid", "stockcode"),
        ),
        ("sku", "itemsku", "productsku", "parentasin", "productcode", "barcode"),
    ),
    "event_type": (
        ("eventtype",),
        ("eventname", "feedbacktype", "behaviortype", "behaviourtype", "actiontype", "interactiontype", "activitytype", "acttype"),
        ("event", "action", "activity", "interaction", "behavior", "behaviour", "feedback"),
        ("type", "verb"),
    ),
    "timestamp": (
        ("timestamp",),
        ("eventtimestamp", "eventtime", "eventdatetime", "collectortstamp", "occurredat", "timestampms", "timestampus", "timestampns"),
        ("time", "ts", "datetime", "unixtime", "unixtimestamp", "unixreviewtime", "epoch", "timems", "clienteventtime", "derivedtstamp"),
        ("eventdate", "date", "createdat", "day", "purchasedate", "orderdate", "invoicedate", "transactiondate", "createdtime"),
    ),
    "event_id": (("eventid",), ("insertid", "messageid", "eventuuid", "uuid")),
    "session_id": (("sessionid",), ("usersession", "gasessionid", "domainsessionid", "session", "sid", "visitid")),
    "value": (
        ("value",),
        ("rating", "overall", "stars", "star", "score", "watchtime", "playcount", "plays", "listens", "dwelltime", "eventvalue"),
        ("label", "weight", "preference", "strength"),
    ),
    "price": (("price",), ("unitprice", "itemprice", "productprice", "saleprice", "propertiesprice")),
    "quantity": (("quantity",), ("qty", "numitems", "itemquantity", "productquantity")),
    "position": (("position",), ("seq", "seqno", "sequence", "sequencenumber", "orderinuser", "step", "eventindex", "eventorder")),
    "request_id": (("requestid",), ("rankingid", "recommendationid", "slateid", "queryid", "impressionid", "recid")),
    "slot": (("slot",), ("displayposition", "slateposition", "rankposition", "rank")),
    "propensity": (("propensity",), ("propensityscore", "pscore", "actionprobability", "actionprob", "loggingprobability")),
    "policy": (("policy",), ("policyid", "policyname", "loggingpolicy")),
    "split": (("split",), ("datasplit", "subset")),
    "days_since_last": (("dayssincelast",), ("dayssincelastevent", "dayssincepriorevent", "dayssinceprevious")),
}
"""What an event file may call each column, in ranks: a name of an earlier rank wins, two of one rank are ambiguous."""

ITEM_ALIASES: Final[Mapping[str, Ranks]] = {
    "item_id": (*EVENT_ALIASES["item_id"], ("id", "code", "key")),
    "title": (
        ("title",),
        ("movietitle", "itemtitle", "producttitle", "booktitle"),
        ("name", "productname", "itemname", "moviename"),
        ("headline",),
    ),
    "text": (
        ("text",),
        ("description", "itemdescription", "productdescription"),
        ("abstract", "overview", "summary", "plot"),
        ("content", "body"),
    ),
    "category": (
        ("category",),
        ("categorycode", "maincategory", "maincat", "itemcategory", "productcategory", "categoryname"),
        ("categoryid", "department", "departmentid"),
    ),
    "attributes": (("attributes",), ("attributeids", "genres", "genre", "tags", "categories", "class"), ("keywords", "labels", "features")),
    "brand": (("brand",), ("brandname", "manufacturer", "vendor", "maker"), ("store",)),
    "price": (("price",), ("unitprice", "itemprice", "listprice")),
}

USER_ALIASES: Final[Mapping[str, Ranks]] = {"user_id": (*EVENT_ALIASES["user_id"], ("id",))}

ITEM_FACTS: Final = {
    "title": (("title",), ("movietitle", "itemtitle", "producttitle"), ("productname", "itemname", "moviename")),
    "category": ITEM_ALIASES["category"],
    "attributes": (("genres",), ("genre",)),
    "brand": ITEM_ALIASES["brand"],
    "price": ITEM_ALIASES["price"],
}
"""Columns of an event file that tell of the item; narrower than in an item table, where `text` or `name` can mean nothing else."""

USER_FACTS: Final = ("gender", "age", "agegroup", "occupation", "zip", "zipcode")
"""Columns of an event file that tell of the user."""

_NAMES_OF_TYPE: Final[Mapping[str, str]] = {
    "view": """view views viewed pv page pageview pageviews pageviewed detail detailview detailviews viewitem itemview itemviewed
        viewproduct productview productviewed productdetailview viewcontent contentview screen screenview visit visited browse
        read watch watched play played listen listened open opened see seen""",
    "click": "click clicks clicked clk productclick productclicked itemclick selectitem selectcontent linkclick tap tapped",
    "cart": "cart addtocart addcart cartadd cartadded addedtocart productadded basket addtobasket basketadd addedtobasket tocart incart",
    "favourite": """favourite favorite favourited favorited fav like liked likes wishlist addtowishlist productaddedtowishlist
        addedtowishlist bookmark bookmarked save saved star starred love loved upvote addtofavorites addtofavourites""",
    "purchase": """purchase purchases purchased buy buys bought transaction transactions order ordered orders ordercompleted
        completedorder orderplaced sale sold pay paid ecommercepurchase inapppurchase""",
    "rating": "rating ratings rate rated review reviews reviewed productreviewed",
    "impression": """impression impressions imp expose exposed exposure exposures show shown display displayed productimpression
        viewitemlist productlistviewed ranking serve served""",
    "remove": "remove removed removefromcart removedfromcart cartremove productremoved removecart removefrombasket removeitem",
    "search": "search searched searches query sitesearch viewsearchresults productssearched productsearch searchresults",
    "other": "other",
}

EVENT_NAMES: Final[Mapping[str, str]] = {alias: kind for kind, line in _NAMES_OF_TYPE.items() for alias in line.split()}
"""What a plain event name means, compared without case and punctuation."""

SPLIT_NAMES: Final[Mapping[str, str]] = {
    "train": "train",
    "training": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


def plain(name: str) -> str:
    """A name without case and punctuation."""
    return re.sub(r"[^0-9a-zÀ-￿]+", "", name.lower())


@dataclass(frozen=True)
class Guess:
    """Which column a name was taken for.

    chosen: canonical name to column. rivals: canonical name to the columns of one rank between which nobody can decide.
    """

    chosen: Mapping[str, str]
    rivals: Mapping[str, tuple[str, ...]]


def guess(columns: Sequence[str], aliases: Mapping[str, Ranks], taken: Sequence[str] = ()) -> Guess:
    """The best column for each canonical name; `taken` columns are out of play."""
    free = [column for column in columns if column not in taken]
    chosen: dict[str, str] = {}
    rivals: dict[str, tuple[str, ...]] = {}
    for canonical, ranks in aliases.items():
        for names, whole in ((names, whole) for whole in (True, False) for names in ranks):
            found = [c for c in free if c not in chosen.values() and (plain(c) if whole else plain(c.rsplit(".", 1)[-1])) in names]
            if len(found) > 1:
                rivals[canonical] = tuple(found)
            elif found:
                chosen[canonical] = found[0]
            if found:
                break
    return Guess(chosen, rivals)
