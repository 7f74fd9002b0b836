"""What is known of public data sets and trackers: how their files look and what their columns mean.

A preset is a set of forms, one for each kind of file. A form is found by the file's name, by its header, or, where there is no
header, by the look of its first rows.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from footpath.errors import ConfigError, did_you_mean
from footpath.events.aliases import plain

Role = Literal["events", "items", "users", "orders", "ignored"]


@dataclass(frozen=True)
class Form:
    """One kind of file of a preset.

    columns: canonical name to the column, or to several of which the first that is filled counts. guess: names that `columns` lacks are
    guessed. event_type: of every row where no column tells. zone: of times written without one.
    files: patterns of file names, in lower case and without .gz. needs, lacks: header columns, compared as `plain` names.
    names: the columns of a file without a header; looks: column number to a pattern that its values match.
    siblings: role to the pattern of a file beside this one that belongs to it; `{stem}` is this file's name up to the first dot.
    item_facts: item columns that the event rows tell. prepare: a query over `{table}` that runs before anything else and keeps `rowid`
    order; `{label}` is the file's name.
    """

    preset: str
    role: Role = "events"
    columns: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    guess: bool = False
    event_type: str = "other"
    event_types: Mapping[str, str] = field(default_factory=dict)
    zone: str | None = None
    files: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    looks: Mapping[int, str] = field(default_factory=dict)
    separator: str | None = None
    quoted: bool = True
    encoding: str = "utf-8"
    siblings: Mapping[Role, str] = field(default_factory=dict)
    item_facts: Mapping[str, str] = field(default_factory=dict)
    prepare: str | None = None
    note: str = ""


_NUMBER = r"-?\d+(\.\d+)?"
_ISO = r"\d{4}-\d\d-\d\dT.*"
_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy"),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
# ml-100k marks genres by flags
_GENRE_TOKENS = ", ".join(f"CASE WHEN \"g{i}\" = '1' THEN '{genre.replace(chr(39), chr(39) * 2)}' END" for i, genre in enumerate(_GENRES))
_MOVIES_100K = f"""SELECT item_id, trim(regexp_replace(title, '\\s*\\(\\d{{{{4}}}}\\)\\s*$', '')) AS title,
    regexp_extract(title, '\\((\\d{{{{4}}}})\\)\\s*$', 1) AS release_year, concat_ws(' ', {_GENRE_TOKENS}) AS genres
    FROM {{table}} ORDER BY rowid"""

_PLACE = "try_cast(order_number AS BIGINT) * 1048576 + CAST(try_cast(add_to_cart_order AS DOUBLE) AS BIGINT) AS place"
_DAYS = "sum(coalesce(days, 0)) OVER (PARTITION BY user_id ORDER BY n ROWS UNBOUNDED PRECEDING) AS relative_days"
_ORDERS = f"""SELECT * EXCLUDE (_row, n, days), {_DAYS}
    FROM (SELECT *, rowid AS _row, try_cast(order_number AS BIGINT) AS n, try_cast(days_since_prior_order AS DOUBLE) AS days FROM {{table}})
    ORDER BY _row"""
_BASKETS = f"SELECT *, {_PLACE} FROM {{table}} ORDER BY rowid"
_ORDERED_BASKETS = f"""WITH orders AS (
        SELECT user_id AS u, try_cast(order_number AS BIGINT) AS n, max(try_cast(days_since_prior_order AS DOUBLE)) AS days
        FROM {{table}} GROUP BY ALL
    ), clock AS (SELECT u, n, {_DAYS.replace("user_id", "u")} FROM orders)
    SELECT s.*, {_PLACE}, relative_days
    FROM {{table}} AS s LEFT JOIN clock ON s.user_id = u AND try_cast(order_number AS BIGINT) = n ORDER BY s.rowid"""

_BANDIT = """SELECT *, left(md5(concat_ws('|', user_feature_0, user_feature_1, user_feature_2, user_feature_3)), 16) AS "user",
    nullif(regexp_extract({label}, 'random|bts'), '') AS policy FROM {table} ORDER BY rowid"""

_YOOCHOOSE: Final = {"user_id": "session", "session_id": "session", "timestamp": "timestamp", "item_id": "item"}

FORMS: Final[tuple[Form, ...]] = (
    Form(
        "recbole",
        guess=True,
        event_type="rating",
        files=("*.inter",),
        separator="\t",
        quoted=False,
        siblings={"items": "{stem}.item", "users": "{stem}.user"},
    ),
    Form("recbole", "items", guess=True, files=("*.item",), separator="\t", quoted=False),
    Form("recbole", "users", guess=True, files=("*.user",), separator="\t", quoted=False),
    Form("recbole", "ignored", files=("*.kg", "*.link", "*.net")),
    Form(
        "movielens",
        columns={"user_id": "user_id", "item_id": "item_id", "value": "rating", "timestamp": "timestamp"},
        event_type="rating",
        files=("ratings.dat",),
        names=("user_id", "item_id", "rating", "timestamp"),
        looks={0: r"\d+", 1: r"\d+", 2: r"[0-5](\.\d)?", 3: r"\d{9,10}"},
        separator="::",
        quoted=False,
        siblings={"items": "movies.dat", "users": "users.dat"},
    ),
    Form(
        "movielens",
        "items",
        columns={"item_id": "item_id", "title": "title", "attributes": "genres"},
        files=("movies.dat",),
        names=("item_id", "title", "genres"),
        looks={0: r"\d+", 1: r".*\(\d{4}\)"},
        separator="::",
        quoted=False,
        encoding="latin-1",
    ),
    Form(
        "movielens",
        "users",
        columns={"user_id": "user_id"},
        files=("users.dat",),
        names=("user_id", "gender", "age", "occupation", "zip"),
        looks={0: r"\d+", 1: "[MF]"},
        separator="::",
        quoted=False,
    ),
    Form(
        "movielens",
        columns={"user_id": "userId", "item_id": "movieId", "value": "rating", "timestamp": "timestamp"},
        event_type="rating",
        needs=("userid", "movieid", "rating", "timestamp"),
        siblings={"items": "movies.csv"},
    ),
    Form(
        "movielens", "items", columns={"item_id": "movieId", "title": "title", "attributes": "genres"}, needs=("movieid", "title", "genres")
    ),
    Form("movielens", "ignored", needs=("userid", "movieid", "tag", "timestamp")),
    Form("movielens", "ignored", needs=("movieid", "imdbid", "tmdbid")),
    Form(
        "movielens",
        columns={"user_id": "user_id", "item_id": "item_id", "value": "rating", "timestamp": "timestamp"},
        event_type="rating",
        files=("u.data",),
        names=("user_id", "item_id", "rating", "timestamp"),
        separator="\t",
        quoted=False,
        siblings={"items": "u.item", "users": "u.user"},
    ),
    Form(
        "movielens",
        "items",
        columns={"item_id": "item_id", "title": "title", "attributes": "genres"},
        files=("u.item",),
        names=("item_id", "title", "released", "video_released", "url", *(f"g{i}" for i in range(len(_GENRES)))),
        separator="|",
        quoted=False,
        encoding="latin-1",
        prepare=_MOVIES_100K,
    ),
    Form(
        "movielens",
        "users",
        columns={"user_id": "user_id"},
        files=("u.user",),
        names=("user_id", "age", "gender", "occupation", "zip_code"),
        separator="|",
        quoted=False,
    ),
    Form("movielens", "ignored", files=("u.genre", "u.info", "u.occupation", "u?.base", "u?.test")),
    Form(
        "retailrocket",
        columns={"user_id": "visitorid", "item_id": "itemid", "event_type": "event", "timestamp": "timestamp"},
        event_types={"view": "view", "addtocart": "cart", "transaction": "purchase"},
        needs=("timestamp", "visitorid", "event", "itemid", "transactionid"),
    ),
    Form("retailrocket", "ignored", needs=("timestamp", "itemid", "property", "value")),
    Form("retailrocket", "ignored", needs=("categoryid", "parentid")),
    Form(
        "rees46",
        columns={
            "user_id": "user_id",
            "item_id": "product_id",
            "event_type": "event_type",
            "timestamp": "event_time",
            "session_id": "user_session",
            "price": "price",
        },
        event_types={"view": "view", "cart": "cart", "remove_from_cart": "remove", "purchase": "purchase"},
        zone="UTC",
        needs=("eventtime", "eventtype", "productid", "categoryid", "usersession"),
        item_facts={"category": "category_code", "brand": "brand", "price": "price"},
    ),
    Form(
        "taobao",
        columns={"user_id": "user_id", "item_id": "item_id", "event_type": "behaviour", "timestamp": "timestamp"},
        event_types={"pv": "view", "buy": "purchase", "cart": "cart", "fav": "favourite"},
        names=("user_id", "item_id", "category_id", "behaviour", "timestamp"),
        looks={0: r"\d+", 1: r"\d+", 2: r"\d+", 3: "pv|buy|cart|fav", 4: _NUMBER},
        item_facts={"category": "category_id"},
    ),
    Form(
        "yoochoose",
        columns=_YOOCHOOSE,
        event_type="click",
        zone="UTC",
        names=("session", "timestamp", "item", "category"),
        looks={0: r"\d+", 1: _ISO, 2: r"\d+"},
        files=("yoochoose-clicks.dat", "yoochoose-test.dat"),
        separator=",",
    ),
    Form(
        "yoochoose",
        columns={**_YOOCHOOSE, "price": "price", "quantity": "quantity"},
        event_type="purchase",
        zone="UTC",
        names=("session", "timestamp", "item", "price", "quantity"),
        looks={0: r"\d+", 1: _ISO, 2: r"\d+", 3: _NUMBER, 4: _NUMBER},
        files=("yoochoose-buys.dat",),
        separator=",",
    ),
    Form(
        "yoochoose",
        columns={"user_id": "SessionId", "session_id": "SessionId", "item_id": "ItemId", "timestamp": "Time"},
        event_type="click",
        zone="UTC",
        needs=("sessionid", "itemid", "time"),
        lacks=("userid",),
    ),
    Form(
        "amazon-reviews",
        columns={"user_id": "user_id", "item_id": ("parent_asin", "asin"), "value": "rating", "timestamp": "timestamp"},
        event_type="rating",
        needs=("userid", "asin", "rating", "timestamp"),
    ),
    Form(
        "amazon-reviews",
        columns={"user_id": "reviewerID", "item_id": "asin", "value": "overall", "timestamp": "unixReviewTime"},
        event_type="rating",
        needs=("reviewerid", "asin", "overall", "unixreviewtime"),
    ),
    Form(
        "amazon-reviews",
        "items",
        columns={
            "item_id": ("parent_asin", "asin"),
            "title": "title",
            "text": "description",
            "category": ("main_category", "main_cat"),
            "attributes": "categories",
            "brand": ("store", "brand"),
            "price": "price",
        },
        needs=("parentasin", "title", "maincategory"),
    ),
    Form(
        "instacart",
        columns={"user_id": "user_id", "item_id": "product_id", "session_id": "order_id", "position": "place"},
        event_type="purchase",
        needs=("orderid", "userid", "ordernumber", "productid", "addtocartorder", "dayssincepriororder"),
        prepare=_ORDERED_BASKETS,
        siblings={"items": "products.csv"},
    ),
    Form(
        "instacart",
        columns={"user_id": "user_id", "item_id": "product_id", "session_id": "order_id", "position": "place"},
        event_type="purchase",
        needs=("orderid", "productid", "addtocartorder", "reordered"),
        lacks=("userid",),
        prepare=_BASKETS,
        siblings={"orders": "orders.csv", "items": "products.csv"},
    ),
    Form(
        "instacart",
        "orders",
        needs=("orderid", "userid", "ordernumber", "dayssincepriororder"),
        lacks=("productid",),
        prepare=_ORDERS,
    ),
    Form(
        "instacart",
        "items",
        columns={"item_id": "product_id", "title": "product_name", "category": "aisle_id", "attributes": "department_id"},
        needs=("productid", "productname", "aisleid", "departmentid"),
    ),
    Form("instacart", "ignored", needs=("aisleid", "aisle"), lacks=("productid",)),
    Form("instacart", "ignored", needs=("departmentid", "department"), lacks=("productid",)),
    Form(
        "cdnow",
        columns={"user_id": "customer_id", "timestamp": "date", "quantity": "number_of_cds", "value": "dollar_value", "item_id": ()},
        event_type="purchase",
        zone="UTC",
        files=("cdnow_master.txt", "cdnow_sample.txt"),
        needs=("customerid", "date", "numberofcds", "dollarvalue"),
        names=("customer_id", "date", "number_of_cds", "dollar_value"),
        looks={0: r"\d{5}", 1: r"199[78]\d{4}", 2: r"\d+", 3: r"\d+\.\d\d"},
        separator=" ",
        note="value is the amount in dollars, quantity the number of CDs",
    ),
    Form(
        "obd",
        columns={
            "user_id": "user",
            "item_id": "item_id",
            "timestamp": "timestamp",
            "slot": "position",
            "value": "click",
            "propensity": "propensity_score",
            "policy": "policy",
        },
        event_type="impression",
        needs=("timestamp", "itemid", "position", "click", "propensityscore", "userfeature0"),
        prepare=_BANDIT,
        note="a user is a hash of the four user features; value is 1 where the impression was clicked; policy is read from the file's name",
    ),
    Form("obd", "items", guess=True, needs=("itemid", "itemfeature0", "itemfeature1")),
    Form(
        "ga4",
        columns={
            "user_id": ("user_pseudo_id", "user_id"),
            "item_id": ("items.item_id", "item_id", "event_params.item_id"),
            "session_id": ("ga_session_id", "event_params.ga_session_id", "session_id"),
        },
        guess=True,
        needs=("eventtimestamp", "eventname", "userpseudoid"),
    ),
    Form(
        "segment",
        columns={
            "user_id": ("userId", "user_id", "anonymousId", "anonymous_id"),
            "item_id": ("properties.product_id", "properties.item_id", "properties.sku", "product_id", "item_id", "sku"),
            "event_type": ("event", "type"),
            "timestamp": ("timestamp", "originalTimestamp", "original_timestamp", "received_at"),
            "event_id": ("messageId", "message_id"),
        },
        guess=True,
        needs=("anonymousid", "event"),
    ),
    Form(
        "snowplow",
        columns={
            "user_id": ("domain_userid", "network_userid", "user_id"),
            "event_type": ("event_name", "event"),
            "timestamp": ("derived_tstamp", "collector_tstamp"),
            "session_id": ("domain_sessionid",),
        },
        guess=True,
        zone="UTC",
        needs=("domainuserid", "collectortstamp"),
    ),
    Form(
        "posthog",
        columns={
            "user_id": "distinct_id",
            "event_type": "event",
            "item_id": ("properties.product_id", "properties.item_id", "properties.sku", "product_id", "item_id"),
            "session_id": ("properties.$session_id", "session_id", "$session_id"),
            "event_id": "uuid",
        },
        guess=True,
        needs=("distinctid", "event", "timestamp"),
    ),
    Form(
        "amplitude",
        columns={
            "user_id": ("user_id", "device_id", "amplitude_id"),
            "event_type": "event_type",
            "timestamp": "event_time",
            "event_id": ("$insert_id", "uuid"),
            "item_id": ("event_properties.product_id", "event_properties.item_id", "product_id", "item_id"),
        },
        guess=True,
        zone="UTC",
        needs=("eventtime", "eventtype", "amplitudeid"),
    ),
    Form(
        "mixpanel",
        columns={
            "user_id": ("properties.distinct_id", "distinct_id"),
            "event_type": "event",
            "timestamp": ("properties.time", "time"),
            "event_id": ("properties.$insert_id", "$insert_id"),
            "item_id": ("properties.product_id", "properties.item_id", "properties.Product ID", "product_id", "item_id"),
        },
        guess=True,
        needs=("event", "distinctid", "time"),
    ),
    Form(
        "metarank",
        columns={
            "user_id": "user",
            "item_id": "item",
            "event_type": ("type", "event"),
            "timestamp": "timestamp",
            "session_id": "session",
            "request_id": "ranking",
            "event_id": "id",
        },
        needs=("event", "user", "item", "timestamp", "type"),
    ),
)
"""Every known form; of two that fit, the earlier wins."""

PRESETS: Final[tuple[str, ...]] = tuple(dict.fromkeys(form.preset for form in FORMS))


def forms_of(preset: str | None) -> tuple[Form, ...]:
    """The forms of a preset, or of all; raises ConfigError."""
    if preset is None:
        return FORMS
    if preset not in PRESETS:
        raise ConfigError(f"no preset {preset!r}{did_you_mean(preset, PRESETS)}; there are: {', '.join(PRESETS)}")
    return tuple(form for form in FORMS if form.preset == preset)


def form_by_file(forms: Sequence[Form], file_name: str) -> Form | None:
    """The form that files of this name have."""
    low = file_name.lower().removesuffix(".gz")
    whole = next((form for form in forms if low in form.files), None)
    return whole or next((form for form in forms if any(fnmatch.fnmatchcase(low, pattern) for pattern in form.files)), None)


def form_by_header(forms: Sequence[Form], columns: Sequence[str], *, told: bool = False) -> Form | None:
    """The form whose columns a header holds; a nested column counts by its last part too.

    told: the user named the preset, so that a header with the columns that its files usually leave unnamed counts as well.
    """
    held = {plain(column) for column in columns} | {plain(column.rsplit(".", 1)[-1]) for column in columns}
    known = next((form for form in forms if form.needs and held.issuperset(form.needs) and held.isdisjoint(form.lacks)), None)
    if known is not None or not told:
        return known
    return next((form for form in forms if form.names and held == {plain(name) for name in form.names}), None)


def form_by_look(forms: Sequence[Form], rows: Sequence[Sequence[str]]) -> Form | None:
    """The form of a file without a header whose first rows look like these."""

    def fits(form: Form) -> bool:
        return bool(form.looks) and all(
            len(row) == len(form.names) and all(re.fullmatch(pattern, row[i].strip()) for i, pattern in form.looks.items()) for row in rows
        )

    return next((form for form in forms if rows and fits(form)), None)
