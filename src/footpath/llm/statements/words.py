"""The closed list of words that a statement may be made of, in English and Chinese; a word that is not here is not understood.

Each has a kind, which the forms in `footpath.llm.statements.forms` are written in. Words of the kind `-` say nothing that could be true or
false, and are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENGLISH: Final[Mapping[str, str]] = {
    "-": "the|a|an|paid|worth|there|their|his|her|its|they|overall|in all|in total|altogether|all told|still|also|even|ever|already|"
        "utc|in the log|"
        "in this log|in the shop|in the data|in the dataset|in the data set|so far|respectively|in the whole log|a total of|total|'s|"
        "of the log|of all time|note that|indeed|in fact|the log shows that|according to the log|then|together|of their own|"
        "across the log|the log|log|this way|in question|once there|to date|at all|that was|that were|the shop|whole|entire|anyway",
    "users": "user|users|shopper|shoppers|customer|customers|person|people|visitor|visitors|member|members|individuals",
    "buyers": "buyer|buyers|purchaser|purchasers",
    "items": "item|items|product|products|film|films|movie|movies|title|titles|article|articles",
    "acts": "act|acts|action|actions|activity|activities|interaction|interactions",
    "sessions": "session|sessions",
    "cats": "category|categories|product category|product categories",
    "brands": "brand|brands",
    "queries": "query|queries|search query|search queries|search term|search terms|keyword|keywords|search word|search words",
    "types": "type of act|types of act|event type|event types|type|types",
    "days": "day|days|calendar days|date|dates",
    "months": "month|months|calendar month",
    "hours": "hour|hours|hour of the day|time of day|time of the day",
    "weekdays": "weekday|day of the week|days of the week",
    "segment": "segment|segments|group|groups",
    "stars": "star|stars",
    "price": "price|prices", "cost": "cost|costs",
    "value": "value|rating value|score|scores",
    "times": "times|time|occasions",
    "distinct": "different|distinct|unique|separate",
    "be": "was|were|is|are|be|been|being",
    "do": "made|make|makes|recorded|record|records|logged|logs|registered|saw|sees|see|brought|brings|contributed|contributes|placed|"
          "gave|give|gives|given|generated|performed|carried out|entered|took place|happened|occurred|came|come|comes|reached|"
          "happen|happens|occur|occurs|passed|holds|hold|found|lists|go|goes|made for|totalled|"
          "totaled|amounted to|came to|come to|numbered|stood at|stands at|received|receives|got|gets|counted|collected|attracted|drew|"
          "fell on|falls on|"
          "account for|accounts for|accounted for|made up|makes up|make up|represented|represents|constituted|used|uses|ran|took|"
          "showed|shows|posted|issued|submitted|committed|cast|produced|produces|stems|stemmed|originated",
    "have": "had|has|have|having|contains|contain|contained|containing|comprised|comprises|comprise|included|includes|include|involved|"
            "involve|ended with|ended in",
    "aux": "did|does|do",
    "not": "not|failed to|fails to",
    "never": "never|no longer|not once|at no time|not even once|not a single time",
    "no": "no|not a single|not any|not one|zero|no single|hardly no",
    "nobody": "nobody|no one|no-one|no user|no users|no customer|no customers|no shopper|no shoppers|not a single user|no visitor|"
              "not a single customer|not a single shopper|none of the users|none of the customers|none of the shoppers|no active user",
    "nothing": "nothing|not anything|no item|no items|no product|no products|no film|no films|no movie",
    "none": "none of|none",
    "neither": "neither", "nor": "nor",
    "without": "without",
    "any": "any|anything|something|some item|at least one item|one or more items|a single item|a single one|a single time|"
           "any item|any items|an item|a film|any film|any films|any product|any products|a product|a movie|single",
    "anyone": "anyone|anybody|someone|somebody|any user|any customer|any shopper|some user",
    "except": "except|excluding|except for|other than|apart from|aside from|besides|not counting|without counting|leaving out|"
              "leaving aside|outside|outside of|not including|without including|ignoring|with the exception of|but for|disregarding|"
              "setting aside|not of|anything but|leave out|leaving aside",
    "only": "only|just|merely|solely|exclusively|alone",
    "nothingbut": "nothing but|nothing except|nothing other than",
    "counting": "counting|considering|looking at|taking|restricted to|limited to|looking only at|counting only|considering only",
    "all": "all|every|each|all of|every single|each and every|everyone|everybody",
    "both": "both",
    "most": "most of|a majority of|the majority of",
    "more": "more|higher|greater|larger|more often|more frequently|more times|above",
    "exceed": "exceeded|exceeds|exceed|outnumbered|outnumber|surpassed|surpasses|outweighed",
    "fewer": "fewer|lower|less|smaller|less often|less frequently|fewer times|below",
    "than": "than|compared with|compared to|versus|vs|vs.|against|relative to|in comparison with|as against",
    "asmany": "as many|as often|as much", "as": "as", "twice": "twice|double|two times",
    "up": "rose|rise|rises|risen|rising|grew|grow|grows|grown|increased|increase|increases|went up|go up|climbed|gained|picked up|"
          "an increase|a rise|up",
    "down": "fell|fall|falls|fallen|falling|decreased|decrease|decreases|declined|decline|declines|dropped|drop|drops|went down|go down|"
            "shrank|slipped|a decrease|a fall|a decline|a drop|down",
    "flat": "stayed flat|remained flat|were flat|was flat|stayed the same|remained unchanged|did not change|remained stable|"
            "stayed stable|were unchanged",
    "noclear": "no clear change",
    "by": "by", "to": "to", "from": "from", "of": "of|out of", "among": "among|amongst",
    "in": "in|on|at|within|during|for|into|across|over",
    "with": "with",
    "who": "who|that|which|whom",
    "and": "and|as well as", "or": "or",
    "but": "but|while|whereas|though|although|yet|whilst|however",
    "it": "it",
    "thereafter": "afterwards|after that|thereafter|since then",
    "numberof": "number of|count of|total number of|overall number of",
    "shareof": "share of|proportion of|fraction of|percentage of",
    "average": "average|mean|on average|averaged|averages|mean number of|average number of",
    "per": "per|for each|for every",
    "rated-": "rated at|scored|scores",
    "repeatrate": "repeat rate|share of repeats|repeat share|rate of repeats|share of repeat acts|repetition rate|rate of repeat acts",
    "metbefore": "items that the user had met before|items that users had met before|items that the user has met before|"
                 "items they have met before|items they had met before|items they met before|items they have already met|"
                 "items they had already met|items that they had met before|items that they have met before|items met before|"
                 "items that they have already met|items which they had met before|an item the user had met before|"
                 "items the user had met before|items they had seen before|items they already knew|items already met",
    "metbeforecat": "categories that the user had met before",
    "newitem": "items that the user had not met before these days", "newcat": "categories that the user had not met before these days",
    "nameitem": "that name an item", "namecat": "that name a category",
    "repeats": "repeats|repeat acts|repeated acts", "revisit": "revisit|revisits|revisited|return to|returned to|come back to|came "
    "back to|go back to|went back to",
    "cases": "cases|of cases|of the cases|of the time|instances",
    "directly": "lead directly to|led directly to|turn directly into|turned directly into|lead straight to|led straight to|directly "
                "followed by|immediately followed by|followed directly by|followed immediately by|directly followed",
    "inthesession": "in the same session|within the same session", "bythesame": "by the same user",
    "nextact": "next act|very next act|next action|next step|act that follows|act right after|act directly after",
    "followsdirectly": "directly followed|immediately followed|directly follows|directly follow|immediately follows|came directly after|"
                       "comes directly after|came right after|comes right after|came immediately after",
    "after": "after|right after|directly after|immediately after|straight after",
    "inactive": "inactive|idle|silent",
    "active": "active|seen|interacted|interacted with|acted|acted on",
    "anything": "anything|something",
    "inthe": "for", "notactive": "did nothing|has done nothing|had no acts",
    "firstseen": "first seen|first appeared|first active|first showed up|first turned up|first acted|appeared first|seen first|"
                 "first came|made first appearance|made their first appearance|made its first appearance|first appeared in the log",
    "lastseen": "last seen|last active|last appeared|last acted|last did anything|last did something|seen last|last showed up|"
                "most recently active|most recently seen",
    "first": "first|earliest|very first|oldest",
    "last": "last|latest|most recent|very last|newest",
    "ago": "ago|earlier",
    "beforetheend": "before the end of the log|before the log ends|before the log ended|before the end of the data|before the log's end|"
                    "before the newest act of the log|before the newest act|before the last act of the log",
    "since": "since", "logends": "the log ends at",
    "mostoften": "most often|most frequently|the most often|most|the most|more than any other|more often than any other|the most "
                 "frequently|"
                 "most heavily|most times",
    "withmost": "with the most|with most|with the highest number of|with the largest number of|with the greatest number of|"
                "that had the most|that has the most|having the most|with the highest count of|with the highest|that saw the most|"
                "that received the most|which had the most|that got the most|that drew the most|with the largest count of",
    "hasmost": "had the most|has the most|saw the most|received the most|got the most|made the most|recorded the most|"
               "had the highest number of|had the largest number of|drew the most|attracted the most|have the most|brought the most",
    "busiest": "busiest|peak|peaks|peaked|the busiest",
    "frequent": "frequent|common",
    "selling": "best seller|best-seller|bestseller|best-selling|best selling|bestselling|top-selling|top selling|best sold",
    "top": "top", "popular": "popular",
    "second": "second", "third": "third",
    "points": "percentage points|percentage point",
    "lifttimes": "times as high",
    "asoverall": "as in the whole log|as overall|as among all users|as in the log as a whole|as among all shoppers|as among all customers|"
                 "as in the log overall|as over all users|as on average",
    "result": "result|results",
    "moved": "moved", "mixof": "mix of", "halvesof": "between the first and the second half of",
    "half": "half",
    "item": "item|film|movie|product",
    "day": "each day|every day|on every day|on each day",
    "days-ago": "days ago",
    "overn": "over",
    "endoflog": "end of the log",
    "cause": "because|because of|due to|owing to|thanks to|led to|therefore|hence|thus|as a result|caused|driven by",
}  # fmt: skip

CHINESE: Final[Mapping[str, str]] = {
    "-": "共|一共|总共|共有|共计|合计|总计|累计|了|过|人次|也|都|就|还|已|已经|仍|仍然|依然|曾|曾经|则|为止|全都|均|着|日志中|日志里|日志|"
        "该日志|在日志中|整体|总的来说|并|据日志|日志显示|实际上|事实上|确实|到|地|得|内|里|中|来说|来看|上|当中|整个日志中|历史上|总|"
        "店里|商店里|商城中|其|的话|方面|而言|再|又|下|出|某|那|这|则是|便|于是|尚|其中|间|自己|自身|目前|仍旧|使用|使用过|用过|"
        "共同|总体|总体上|数据中|数据显示|可以看到|显示|大家|本店|商城|整个|之列|之中|行列|同样|仅仅是|并且|且",
    "users": "用户|顾客|客户|人|人们|消费者|访客|会员|位用户|名用户|个用户|位顾客|名顾客|个人|位客户|位|名|有人|的人|名客户",
    "buyers": "购买者|买家|下单用户|下单者|购买用户",
    "items": "商品|产品|物品|电影|影片|部电影|部影片|件商品|个商品|种商品|款商品|件产品|部|件|款|片子|部片子|种产品",
    "acts": "行为|活动|动作|操作|互动|接触|接触过|用户活动|用户行为",
    "sessions": "会话|个会话|次会话|场会话",
    "cats": "品类|类别|类目|分类|个品类|个类别|商品类别|类商品|类|个类目|种品类|品类商品",
    "brands": "品牌|个品牌|家品牌|牌子",
    "queries": "搜索词|关键词|查询词|搜索关键词|查询|检索词|搜索的词|词",
    "types": "行为类型",
    "days": "天|日期|天数|个日期|日子|不同日期|不同的日期|个自然日",
    "months": "月份|个月份",
    "hours": "小时|时段|钟头|时间段|钟点|个小时",
    "weekdays": "星期|星期几|周几",
    "segment": "分组|群体|人群|群组|组|类用户|分群|客群",
    "price": "价格|单价|成交价",
    "value": "分|星|分值",
    "times": "次|回|遍|笔|单|条",
    "ge": "个|家|种|项",
    "distinct": "不同|不同的|不重复|不重复的",
    "be": "是|为|就是|即|当属|达|达到|达到了|等于|属于|出现在|位于|便是|要数|正是|乃|成为",
    "do": "发生|发生了|记录|记录到|产生|贡献|有过|进行|做|做出|作出|带来|完成|出现|录得|收到|获得|迎来|创造|来自|给出|提交|打出|留下|"
          "发起|贡献了|记录了|收获|触发|被|占据|打|打了|打过|产生了|进行了|做了|完成了|出自|来自于|发生在",
    "accounts": "占|占了|占到|约占|占据了|占比为|占比是|占比|的占比为",
    "have": "有|包含|含|含有|拥有|包括|包含了|里有|中有",
    "not": "不|没有|没|未|未曾|并未|并没有|没能|并没|不曾|并不|不是|并非|并不是|不在|并不在|没有能",
    "never": "从未|从没|从来没有|从不|从来没|从未曾|一次也没有|一次也没|一次都没有|一次都没|再也没有|从来不|再未|再没有|没有再|再没|未再|"
             "再无|什么也没|什么都没|什么也没有|什么都没有|没再|不再|一次也未|一次都未|从来未|都没有|也没有|都没|也没",
    "no": "没有任何|没有一次|无|毫无|未有任何|没有出现|零|没有发生|没有发生任何|未发生|未发生任何|没有一笔|一次都没有发生|没有过|"
          "没有过任何",
    "nobody": "没有人|没有用户|没人|无人|没有任何人|没有任何用户|没有顾客|没有一个人|没有一位用户|没有一个用户|没有任何顾客|无一用户|"
              "没有一名用户|没有一位|没有一名|没有哪位用户|没有任何一位用户",
    "nothing": "没有商品|没有任何商品",
    "none": "没有哪个|没有任何一个|没有一个|没有任何|没有哪一个|没有一款|没有一种",
    "without": "而没有|却没有|却从未|但没有|但从未|却未|而未|却没|但没|但未|却从没",
    "any": "任何|任一|任意|东西|任何东西|一件商品|什么|过任何|任何商品",
    "except": "除|除了|除去|排除|不计|不算|不含|不包括|剔除|去掉|扣除|不考虑|撇开|除开|不算上",
    "outside": "外|以外|之外|以外的|之外的",
    "only": "只|仅|仅仅|只有|仅有|唯有|单|唯独|只是",
    "theonly": "唯一",
    "counting": "仅看|只看|单看|只算|只计|仅算|仅计|只统计|仅统计|单论|仅就|只论|只考虑|仅考虑",
    "all": "所有|全部|每个|每位|每名|每一个|每一位|全体|所有人|每一|每|每一类|每一种|各个|任何一个",
    "each": "各有|各|分别|分别有|各自|分别为|分别是",
    "most": "大多数|大部分|多数|绝大多数|过半数|过半的|半数以上的|一半以上的|超过半数的|一多半",
    "more": "多|高|更多|更高|多于|高于|超过|大于|更频繁|超过了|更大|胜过|多过|高过|要多|要高|还多|还高|更活跃",
    "fewer": "少|低|更少|更低|少于|低于|小于|不及|更小|不如|要少|要低",
    "than": "比|较|相比|相较于|相对于|对比|相比于|比起",
    "timesas": "倍", "up": "上升|增长|增加|上涨|提高|上升了|增长了|增加了|上涨了|提高了|回升|变多|升高|攀升|多了|有所上升|有所增长|"
                          "有所增加",
    "down": "下降|减少|下跌|降低|下降了|减少了|下跌了|降低了|回落|变少|下滑|下滑了|少了|有所下降|有所减少",
    "flat": "持平|没有变化|不变|基本持平|保持不变", "noclear": "无明显变化",
    "de": "的",
    "wo": "对|给|向|在|于|由|从|把|将|以|当|被|让|对于|关于|跟",
    "and": "和|与|及|以及|或|以及|跟",
    "but": "但|但是|而|却|不过|然而|可是|而且",
    "average": "平均|均值|平均为|平均值|平均是|平均有|平均数",
    "peruser": "人均|平均每位用户|平均每个用户|每位用户平均|每个用户平均|平均每人|每人平均|每名用户平均|平均每名用户|用户人均",
    "persession": "平均每个会话|每个会话平均|平均每次会话|每次会话平均|会话平均|平均一次会话|单次会话平均|每场会话平均",
    "perday": "平均每天|每天平均|日均|每日平均|平均每日",
    "ratio": "比例|比率|概率|占比率", "beforeend": "日志结束前|日志末尾前|距日志结束",
    "repeatrate": "重复率|重复接触率|重复行为率|回头率|复访率|重复占比|重复比例",
    "metbefore": "用户此前接触过的商品|此前接触过的商品|接触过的商品|之前接触过的商品|用户之前接触过的商品|此前已接触过的商品|重复接触|"
                 "以前接触过的商品|曾经接触过的商品|见过的商品|已接触过的商品",
    "metbeforecat": "用户此前接触过的类别",
    "newitem": "用户在此之前未接触过的商品", "newcat": "用户在此之前未接触过的类别",
    "nameitem": "有商品的", "namecat": "有类别的",
    "directly": "紧接着|紧接着是|紧接着发生了|紧跟着|紧跟着是|直接跟着|紧接着就是|紧随其后的是|紧接|下一步是|下一步就是|下一个行为是|"
                "紧接着发生|随即|紧接着就|下一步|下一个行为就是|直接|紧接着的是|立即|紧接着便是|紧随的是|马上",
    "after": "之后|后|以后", "before": "之前|以前|前",
    "inthesession": "在同一会话内|同一会话内", "bythesame": "由同一用户",
    "inactive": "没有活动|没有任何行为|没有任何活动|无任何行为|未活动|不活跃|没有行为|没活动|未有任何行为|没有动静|无活动|没有操作|"
                "没有出现|"
                "没有任何操作|没有出现过|未出现|未有活动|没有活动过|无任何活动",
    "active": "活跃|有活动|有行为|有过活动|有过行为|活跃过|有任何活动|有任何行为|有过任何行为|仍有活动|活动过",
    "sofar": "距今|距今已|距今已有|至今|迄今|到日志末尾|距日志末尾|距离日志末尾|距日志结束|距离日志结束|截至日志末尾|截至日志结束|至今已有|"
             "至今已|距离日志结束已有|距日志结束已有",
    "firstseen": "首次出现|第一次出现|最早出现|首次活动|首次露面|首次行为|第一次活动|首次活跃|首次被记录|第一次行为|最早的行为|"
                 "首次现身|首次亮相",
    "lastseen": "最后一次出现|最近一次出现|最后出现|最后一次活动|最近一次活动|最后活跃|最近一次行为|最后一次行为|最后一次活跃|最后活动|"
                "最后一次露面",
    "first": "首次|第一次|最早|首个|第一个|第一部|首部|首先|第一位|第一笔|最先|首笔|第一件",
    "last": "最后|最后一次|最近一次|最后一个|最后一部|最新|最晚|最后一笔|最后一件",
    "mostoften": "最多|最常|最频繁|最多次|次数最多|最高|最经常|数量最多",
    "busiest": "最忙|最繁忙|最活跃|高峰|最热闹",
    "selling": "最畅销|卖得最好|卖得最多|销量最高|销量最好|最热销|销售最好|销售最多|卖得最好的|最好卖",
    "popular": "最热门|最受欢迎", "frequent": "最常见|最常用|最常出现",
    "top": "前|排名前|排在前|位列前",
    "inorder": "依次|依次为|依次是|分别是|分别为",
    "followed": "其次是|其次为|第二是|第二为|第二名是|第二位是|第三是|再次是|接下来是|随后是|然后是",
    "numberof": "次数|数量|数|总数|总量|量|总次数|数目|条数",
    "headcount": "人数|总人数|用户数|顾客数",
    "points": "个百分点|百分点",
    "atleast": "至少|起码", "atmost": "至多|不超过",
    "thereafter": "此后|之后",
    "result": "结果|任何结果",
    "among": "之列|之中|行列",
    "it": "它", "whose": "其",
}  # fmt: skip

NOUNS_OF: Final[Mapping[str, str]] = {
    "view": "view|views|product view|product views|page view|page views|item views|item view",
    "click": "click|clicks|item clicks|product clicks",
    "cart": "cart addition|cart additions|addition to the cart|additions to the cart|addition to cart|additions to cart|add-to-cart|"
            "add-to-carts|cart adds|cart|carts|add-to-cart events|add-to-cart acts|cart acts|adds to the cart|cart add|"
            "additions to the basket|basket additions|additions to carts",
    "favourite": "favourite|favourites|favorite|favorites",
    "purchase": "purchase|purchases|order|orders",
    "rating": "rating|ratings",
    "impression": "impression|impressions",
    "remove": "removal|removals|cart removal|cart removals|removal from the cart|removals from the cart",
    "search": "search|searches",
    "other": "other act|other acts",
}  # fmt: skip
VERBS_OF: Final[Mapping[str, str]] = {
    "view": "viewed|view|views|viewing|looked at|look at|browsed",
    "click": "clicked|click|clicking|clicked on|clicks on|click on",
    "cart": "carted|added to the cart|added to cart|put in the cart|put into the cart|placed in the cart|added to carts|"
            "added to the basket|put in the basket|added to a cart|carting",
    "favourite": "favourited|favorited",
    "purchase": "bought|buy|buys|buying|purchased|purchasing|ordered|ordering|sold|placed an order|placed orders|placed any order",
    "rating": "rated|rate|rates|rating",
    "impression": "shown|displayed",
    "remove": "removed|removed from the cart|removed from carts|removed from cart|removing|took out of the cart|taken out of the cart",
    "search": "searched|search|searching|searched for|search for|searching for",
}  # fmt: skip
CHINESE_OF: Final[Mapping[str, str]] = {
    "view": "浏览|查看|看过|浏览量|浏览过|看了|被看|观看",
    "click": "点击|点击过|点了|点击量|点过",
    "cart": "加购|加入购物车|加车|加购过|放进购物车|放入购物车|加进购物车|添加到购物车|加购量|加了购物车",
    "favourite": "收藏|收藏过",
    "purchase": "购买|下单|买过|买了|购买过|下过单|卖出|卖给|买|订购|成交|下了单|下单过|购买量|订单|卖|售出|被购买|被买|卖出去|卖出过",
    "rating": "评分|被评分|打分|评过分|打过分|评过|评了|评价|被评|评分过|打了分|评|评分数",
    "impression": "展示|曝光|展现|展示量|曝光量",
    "remove": "移除|移出购物车|从购物车移除|删除|移出|移除购物车",
    "search": "搜索|搜过|搜索过|检索|搜索量|搜了|搜",
    "other": "其他行为",
}  # fmt: skip
