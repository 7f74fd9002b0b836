"""The words that questions and sentences about a log are read by, English and Chinese: each phrase has one meaning here, or none.

A line is a kind, a value and the phrases for it. What is not here is not understood, and nothing is answered over it.
"""

from __future__ import annotations

from typing import Final

_LINES: Final = """
act view: 浏揽 | 浏览数 | 浏览总数 | 浏览总次数 | 浏览记录 | 浏览事件
act view: view | views | viewed | viewing | look at | looks at | looked at | looking at | looks | look | looked | browse | browses | browsed | browsing | page views | page view | product views
act view: 浏览 | 查看 | 看 | 看了 | 看过 | 浏览了 | 浏览过 | 查看了 | 查看过 | 浏览量 | 浏览行为 | 浏览次数
act click: 点机 | 点及 | 点击数 | 点击总数 | 点击总次数 | 点击事件
act click: 点进 | 点进去 | 点选 | click acts | click events
act click: click | clicks | clicked | clicking | click on | clicks on | clicked on | clicking on | tap | taps | tapped
act click: 点击 | 点击了 | 点击过 | 点了 | 点过 | 点击量 | 点击行为 | 点击次数 | 点开
act cart: cart-adds | basket-adds | adds-to-cart | add-to-basket events | add to carts | basket add | cart add
act cart: basket | baskets | carted items | basket events
act cart: 加够 | 加购数 | 加购总数 | 加购总次数 | 加购事件
act cart: 丢进购物车 | 扔进购物车 | 放到购物车 | 放到购物车里 | 放进购物车里 | 放入购物车里 | 加入购物车里
act cart: add-to-basket | add-to-basket acts | added to their carts | adds to the cart | adds to the basket | adds to basket | 购物车 | 加进购物车 | 放入了购物车 | 加入过购物车 | 放进过购物车 | 加进了购物车 | 放购物车
act cart: cart | carts | carted | add to cart | add-to-cart | add-to-carts | adds to cart | added to cart | added to the cart | added to a cart | added to their cart | added to basket | added to the basket | added to a basket | added to their basket | add to the cart | add to the basket | add to basket | add to their cart | add to their basket | adding to cart | adding to the cart | adding to basket | adding to the basket | additions to the cart | addition to the cart | additions to cart | additions to the basket | additions to basket | cart additions | cart addition | cart adds | basket additions | basket addition | basket adds | put in the cart | put in the basket | put into the cart | put into the basket | put in their cart | put in their basket | put into their cart | put into their basket | put in a cart | put in a basket | put into a basket | put into a cart | placed in the cart | placed in the basket | placed in a cart | placed in a basket | cart events | carting
act cart: 加购 | 加购了 | 加购过 | 加购物车 | 加入购物车 | 加入了购物车 | 加到购物车 | 放入购物车 | 放进购物车 | 放进了购物车 | 加车 | 加购行为 | 加购次数 | 加购量 | 添加到购物车 | 添加购物车
act favourite: favourite | favourites | favourited | favorite | favorites | favorited | wishlisted
act favourite: 收藏 | 收藏了 | 收藏过
act purchase: 购卖 | 购买数 | 购买总数 | 购买总次数 | 下单数 | 下单量 | 下单总数 | 订单总数 | 成交量 | 购买记录 | 购买事件
act purchase: 卖掉 | 卖掉了 | 成单 | 购入 | 入手 | 购得 | 成交了 | 被买走 | 买走 | 买下 | 买下了 | purchase acts | acts of buying | completed purchases
act purchase: purchase | purchases | purchased | purchasing | buy | buys | bought | buying | order | orders | ordered | ordering | sold | sell | sells | sale | sales | place an order | placed an order | place orders | placed orders | make a purchase | made a purchase | made purchases | make purchases | purchase events | items sold
act purchase: 购买 | 购买了 | 购买过 | 买 | 买了 | 买过 | 下单 | 下单了 | 下单过 | 下过单 | 下了单 | 订单 | 成交 | 购买量 | 购买行为 | 购买次数 | 销量 | 卖出 | 卖出了 | 卖 | 卖了 | 售出 | 订购 | 单 | 订单数 | 订单量 | 买东西 | 购物
act rating: review | reviews | reviewed | vote | votes | voted | 点评 | 点评过 | 打出 | 打的分
act rating: 评分总数 | 评分总次数 | 评分条数 | 评分事件 | 评分记录 | 评价数 | 评价次数
act rating: rating | ratings | rate | rates | rated | give a rating | gave a rating | gave ratings | give ratings | rating events
act rating: 评分 | 评分了 | 评分过 | 评了分 | 评过分 | 打分 | 打分了 | 打过分 | 打了分 | 评价 | 评价了 | 评价过 | 评过 | 评了 | 评 | 评分次数 | 评分数 | 评分量 | 评分行为 | 打了 | 打过
act impression: 曝光数 | 曝光总数 | 曝光总次数 | 展示数 | 展示量
act impression: impression | impressions | shown | show up in lists | displayed | exposure | exposures | exposed | was shown | were shown
act impression: 曝光 | 曝光了 | 曝光过 | 展示 | 展示了 | 展示过 | 曝光量 | 曝光次数 | 展示次数 | 展现
act remove: remove | removes | removed | removal | removals | removed from the cart | removed from cart | removed from the basket | removed from their cart | removed from their basket | remove from the cart | remove from cart | taken out of the cart | taken out of the basket | take out of the cart | took out of the cart | removals from the cart | removing | cart removals
act remove: 移除 | 移除了 | 移除过 | 移出购物车 | 移出了购物车 | 移出 | 从购物车移除 | 从购物车中移除 | 从购物车里移除 | 从购物车移除了 | 从购物车里拿走 | 删除 | 移除行为 | 移除次数
act search: 搜索数 | 搜索总数 | 搜索总次数 | 搜索事件
act search: searching for | looked for | searches for | look for
act search: search | searches | searched | searching | search for | searched for | searches for | search acts | search events
act search: 搜索 | 搜索了 | 搜索过 | 搜 | 搜了 | 搜过 | 检索 | 搜索行为 | 搜索次数 | 搜索量 | 查找
act act: touch | touches | touched | engage | engaged | engages | explore | explored | came across | come across | deal with | dealt with | interact with | interacted with | did things | activity level
act act: 接触 | 接触了 | 接触过 | 逛 | 逛了 | 逛过 | 光顾 | 光顾过 | 光顾了 | 来访
act act: visited | visit the shop | visited the shop | came to the shop | come to the shop | were in the shop | was in the shop | came by | come by | visited us | come to us | did anything | do anything | doing something | 来过店里 | 有过行为 | 有活动 | 有过活动
act act: act | acts | action | actions | event | events | interaction | interactions | interact | interacted | activity | activities | do something | did something | was active | were active | is active | are active | be active | active
act act: 行为 | 动作 | 操作 | 事件 | 互动 | 活跃 | 活跃过 | 活跃了 | 活动 | 活动过 | 行为数 | 行为量 | 行为次数 | 有行为 | 记录
doer purchase: purchasing customer | purchasing customers | purchasing user | purchasing users | buying customer | buying user | paying customer | paying user
doer purchase: buyer | buyers | purchaser | purchasers | paying customers | paying users | buying customers | buying users | 买家 | 购买者 | 购买用户 | 下单用户 | 下单者
doer rating: raters | rater | reviewers | 评分者 | 评分用户
doer search: searchers | 搜索用户
doer view: 浏览用户 | 浏览者
doer click: clickers | 点击用户
doer cart: 加购用户
unit users: hunters | seekers | guests | 买客 | 客人 | 消费者们
unit users: 用户总数 | 总用户数 | 总人数 | 顾客总数
unit users: user | users | customer | customers | shopper | shoppers | people | person | persons | visitor | visitors | client | clients | viewers | everyone | everybody | anyone | anybody | someone | somebody | consumers | consumer | accounts | account | individuals
unit users: 用户 | 顾客 | 客户 | 人 | 人数 | 用户数 | 顾客数 | 位用户 | 名用户 | 观众 | 访客 | 会员 | 消费者 | 用户数量 | 大家 | 谁
unit items: 类商品 | 类产品 | 类的商品
unit items: things | stuff | pieces | 货物
unit items: item | items | product | products | article | articles | film | films | movie | movies | goods | title | titles | thing | things | something | anything | picture
unit items: 商品 | 产品 | 东西 | 物品 | 货品 | 电影 | 影片 | 片子 | 宝贝 | 单品 | 商品数 | 品 | 片 | 货 | 什么东西
unit sessions: 会话总数 | 会话数量
unit sessions: session | sessions | visit | visits
unit sessions: 会话 | 会话数 | 次会话 | 个会话 | 访问
unit days: day | days | calendar days | active days
unit days: 天 | 天数 | 日子
unit categories: 类
unit categories: category | categories | product category | product categories | kind of product | kinds of products
unit categories: 品类 | 类别 | 分类 | 类目 | 种类 | 商品类别 | 品类数 | 商品品类 | 大类
unit brands: brand | brands
unit brands: 品牌 | 牌子
unit queries: phrase | phrases | searched phrases | search strings | search string
unit queries: 词 | 词语 | 搜索词条
unit queries: query | queries | search term | search terms | search query | search queries | search word | search words | search phrase | search phrases | term | terms | searched-for term | search keyword | search keywords | keyword | keywords
unit queries: 搜索词 | 关键词 | 搜索关键词 | 查询词 | 搜索内容 | 检索词 | 搜索的词
unit hours: 时间点 | 哪个时间 | 钟头 | 时刻段 | hour slot
unit hours: at what time of day | what time of day | at what time of the day | what time of the day | at which time of day | which time of day | hours of the day
unit hours: hour | hours | hour of the day | hour of day | time of day | time of the day | o'clock
unit hours: 几点 | 小时 | 时段 | 钟点 | 几点钟 | 时间段 | 几时 | 个小时 | 时刻
unit weekdays: what day of the week | which day of the week | on which day of the week | on what day of the week | which weekday | what weekday | on which weekday | on what weekday
unit weekdays: weekday | day of the week | days of the week | day of week | week day
unit weekdays: 星期几 | 周几 | 礼拜几 | 一周中的哪天 | 一周中哪天 | 一周里哪天 | 一周中的哪一天 | 一周中哪一天 | 一周里的哪一天 | 一周里的哪天 | 一周当中哪一天 | 一星期中哪天 | 一个星期中的哪一天 | 一周内哪一天 | 一周内哪天 | 一周之中哪一天 | 一周的哪一天 | 一周的哪天
unit dates: date | calendar day | calendar date
unit dates: 日期
unit months: month | months | calendar month
unit months: 月份 | 月
unit types: event type | event types | type of event | types of events | type of act | types of acts | kind of act | kinds of acts | act type | act types
unit types: 行为类型 | 事件类型 | 类型
ask count: count how many | give the number of | the count of | what number of
ask count: how many | number of | the number of | count of | count | total number of | overall number of | how many of
ask count: 多少 | 几 | 数量 | 总数 | 多少个 | 几个 | 多少位 | 几位 | 多少名 | 几名 | 多少条 | 几条 | 多少种 | 几种 | 多少款 | 几款 | 多少部 | 几部 | 数 | 几家 | 多少笔 | 几笔
ask users: 多少人 | 几个人 | 多少个人 | 几人
ask often: how often | how many times | number of times | how frequently | what number of times
ask often: 多少次 | 几次 | 次数 | 几回 | 多少回 | 多少人次 | 总次数
ask days: 多少天 | 几天 | 多少日
ask pieces: 多少件 | 几件
ask share: 所占 | 所占的比例 | 所占比例 | 所占的百分比 | 所占百分比 | 比率 | 占有率 | 占比率 | 所占比重 | 所占份额
ask share: how many percent of | how many per cent of | how many percent | how many per cent | how much of | which part
ask share: share | shares | percentage | percent | proportion | fraction | portion | per cent | % | what part
ask share: 占比 | 比例 | 占 | 百分比 | 份额 | 百分之几 | 百分之多少 | 比重 | 占据 | 几成
ask mean: average | on average | mean | averaged | in average | avg | avg.
ask mean: 平均 | 平均值 | 均值 | 平均数
ask which: wich | whcih
ask which: 哪样 | 哪项 | 哪支 | 哪几位 | 哪几款
ask which: what is | what's | what was | what are | what were | what're
ask which: which | what
ask which: 哪 | 哪个 | 哪些 | 哪几个 | 哪一个 | 哪种 | 哪部 | 哪款 | 哪件 | 什么 | 哪一种 | 哪类 | 哪一类 | 哪几种 | 哪几部 | 哪一部 | 哪几款 | 哪位 | 哪家 | 哪一家 | 哪几类
ask who: who | which user | which customer | which shopper | which person | what user | whose
ask who: 哪位用户 | 哪个用户 | 哪名用户 | 哪位顾客 | 哪个顾客 | 哪些用户 | 哪几位用户 | 哪个人
ask when: when | on which day | on what day | on which date | on what date | what day | which day | what date | which date | at what time | what time
ask when: 什么时候 | 何时 | 哪天 | 哪一天 | 哪日 | 什么时间 | 哪一日 | 几号 | 几月几日 | 几月几号 | 日期是
ask top: highest | greatest | biggest | leading | number one | 最受青睐 | 人气最高 | 最火 | 最热 | 热度最高 | 最抢手 | 最火爆 | 最靠前 | 位居第一 | 位列第一 | 名列第一
ask top: 最集中 | 最密集 | 次数最高 | 居首 | 排名第一 | 排第一 | ranks first | rank first | comes first | number one
ask top: sees the most | sees most | saw the most | saw most | gets the most | gets most | receives the most | receives most | has the most | had the most | have the most | got the most | with the most | attracts the most
ask top: most | the most | most often | most frequently | top | most popular | highest number of | largest number of | greatest number of | the largest number of | biggest number of | maximum | most common | most frequent | largest | the most times
ask top: 最多 | 最 | 最热门 | 最受欢迎 | 最高 | 最频繁 | 最常 | 最常见 | 前 | 排名前 | 最经常 | 最大 | 次数最多 | 排在前 | 排前 | 数量最多
ask sold: top seller | top sellers | best-seller | best-sellers | top-seller | top-sellers | number one seller | sells the best | sold the best | sells most | sells the most
ask sold: 最热销 | 热销 | 销售最好 | 卖得最火 | 卖得最旺 | 卖得最多的 | 销得最好 | 销售最多 | 最旺销
ask sold: best-selling | best selling | bestselling | best seller | best sellers | bestseller | bestsellers | top-selling | top selling | sells best | sell best | sold best | sold the most | sold most
ask sold: 最畅销 | 卖得最好 | 卖的最好 | 卖得最多 | 销量最高 | 销量最好 | 最好卖 | 销量最大 | 畅销
ask busiest: 高峰期 | 高峰时段 | 高峰时间 | 最高峰 | 峰值 | 最热闹
ask busiest: busiest | peak | most active | most busy
ask busiest: 最活跃 | 最繁忙 | 最忙 | 高峰
ask least: least | fewest | lowest | least often | quietest | worst | smallest | least popular
ask least: 最少 | 最低 | 最不 | 最小
ask more: saw more | sees more | see more | gets more | got more | get more | receives more | has more | had more | have more | 多了 | 更多些 | 多一些 | 更多一些
ask more: more | more often | higher | greater | larger | more frequently | bigger
ask more: 更多 | 更高 | 较多 | 多 | 更大 | 更频繁 | 更常 | 更经常 | 高 | 更活跃
ask fewer: saw fewer | gets fewer | got fewer | has fewer | had fewer | have fewer | 少了
ask fewer: fewer | less | lower | less often | smaller
ask fewer: 更少 | 更低 | 较少 | 少 | 更小 | 低
ask than: compare | compares | compared | comparing | stack up
ask than: 环比 | 与前相比
ask than: than | compared with | compared to | versus | vs | vs. | against | in comparison with | in comparison to | relative to | as compared to
ask than: 相比 | 比 | 相较于 | 对比 | 相对于 | 相较 | 比较 | 与之相比 | 较
ask difference: difference | differ | gap | difference between
ask difference: 差 | 相差 | 差距 | 差异 | 差别 | 差了 | 差值 | 差多少 | 多出 | 高出
ask ratio: by what factor | what factor | factor
ask ratio: how many times as many | how many times as often | how many times as high | as many
ask ratio: ratio | times as many | times as often | times as high | as many times
ask ratio: 倍 | 多少倍 | 几倍 | 倍数
ask much: hwo
ask much: 涨跌幅 | 增减幅度 | 变动幅度 | 增长幅度 | 升降幅度 | 多大变化
ask much: 幅度 | 多大幅度 | 幅度多大
ask much: how | 如何 | 怎么样 | 怎样 | by how many percent | by what percentage | by what percent | by how many per cent
ask much: how much | by how much | how far | to what extent | by how many
ask much: 变化了多少 | 变了多少 | 多大 | 多大程度 | 变化多少 | 多高 | 有多高 | 有多大
ask trend: 增减 | 起伏 | 变化情况 | 变化趋势 | 走势 | 升高 | 升高了 | 降低 | 降低了 | 有所增加 | 有所减少 | 有所上升 | 有所下降 | 有何变化 | 有什么变化
ask trend: up | down | upward | downward | trending up | trending down | on the rise | picked up | pick up | went up | slow down | slowed down | 上涨 | 增多 | 变多 | 变少 | 减少了 | 增多了 | 变多了 | 变少了 | 变多还是变少 | 变多了还是变少了 | 增多还是减少 | 增长还是减少 | 上升了还是下降了 | 增加了还是减少了
ask trend: shift | shifted
ask trend: go up or down | going up or down | gone up or down | went up or down | up or down | rise or fall | rising or falling | increase or decrease | grow or shrink | trend | trending | develop | developed | change | changed | changes | grow | grew | grown | growth | go up | gone up | went up | rise | risen | rose | increase | increased | go down | gone down | went down | fall | fallen | fell | decrease | decreased | drop | dropped | decline | declined | evolve | evolved | move | moved | shrink | shrunk | rising | falling | growing
ask trend: 变化 | 趋势 | 上升还是下降 | 增加还是减少 | 涨还是跌 | 增长还是下降 | 上升 | 下降 | 增长 | 增加 | 减少 | 增加了 | 减少了 | 上升了 | 下降了 | 变化率 | 增长率 | 增幅 | 变化幅度 | 涨 | 跌 | 涨跌 | 是涨是跌 | 升还是降 | 增长了 | 涨了 | 跌了 | 变化了 | 变动 | 增减 | 是增是减 | 多了还是少了 | 更多还是更少
ask repeat: revisit | revisits | revisited | revisiting | revisit items | revisited items | go back to items | went back to items | going back to items | return to products | come back to products | re-visit | 回访同一商品 | 重访
ask repeat: come back to an item | come back to items | return to an item | return to items | returned to an item | come back to the same item | return to the same item | already met | met earlier | they already know | they already knew | had seen before | repeated acts | repeated | 接触过的商品 | 重复的 | 此前接触过的商品 | 之前接触过的商品 | 曾接触过的商品 | 曾经接触过的商品 | 以前接触过的商品 | 已经接触过的商品
ask repeat: repeat rate | rate of repeats | repeat share | share of repeats | repetition rate | repeats | repeat | repeat acts | met before | seen before | already met before | had met before | has met before | had already met | they had met before | the user had met before | encountered before | touched before
ask repeat: 重复率 | 重复接触率 | 再次接触同一商品 | 重复行为占比 | 重复占比 | 重复接触 | 重复 | 之前接触过 | 此前接触过 | 以前接触过 | 再次接触 | 重复行为 | 重复的比例 | 重复比例 | 接触过的
ask lift: lift | how much more common | how much more frequent | how many times as common | how many times more common | overrepresented | over-represented | more common | how over-represented | times as common | how much over-represented
ask lift: 提升度 | 高出多少倍 | lift值 | 是多少倍 | 提升
ask overall: overall | in general | in the whole log | the whole log | whole log | in the entire log | in the log as a whole | among all users | among everyone | among everybody | across all users | all users | all customers | all shoppers | all people
ask overall: 全体 | 整体 | 总体 | 全部用户 | 所有用户 | 全体用户 | 整个日志 | 全站 | 整体用户 | 总体用户 | 所有人
ask followed: 随后紧接着 | 随后立即 | 紧接着的下一步是 | 下一步行为是 | 下一步动作是 | 之后的下一步行为是 | 的下一步行为是 | 后的下一步行为是 | 之后紧接的是 | 之后紧接的 | 后紧接的 | 后紧接的是 | 之后紧跟 | 后紧跟 | 紧随 | 之后紧随 | 紧接着发生 | 之后紧接着发生 | 后紧接着发生 | 紧接着就发生 | 紧接着又 | 之后接着就 | 后接着就 | 之后立马 | 后立马 | 立马 | 随即就 | 之后随即就
ask followed: directly followed by | followed directly by | immediately followed by | followed immediately by | followed straight away by | followed right away by | directly followed | lead directly to | leads directly to | leading directly to | lead straight to | leads straight to | led directly to | led straight to | go straight on to | goes straight on to | turn directly into | turns directly into | turn straight into | followed next by | followed at once by
ask followed: 紧接着就 | 紧接着 | 紧接着是 | 紧接着就是 | 紧跟着 | 紧跟 | 紧接 | 直接 | 之后紧接着 | 后紧接着 | 之后紧接着就 | 后紧接着就 | 之后紧接着就是 | 后紧接着就是 | 之后紧接着是 | 之后直接 | 后直接 | 之后立即 | 后立即 | 立即 | 之后马上 | 后马上 | 马上 | 下一步就是 | 下一步是 | 之后下一步就是 | 之后下一步是 | 后下一步就是 | 后下一步是 | 下一步就 | 后的下一步是 | 后的下一步就是 | 的下一步是 | 的下一步就是 | 之后的下一步是 | 之后的下一步就是 | 接下来就 | 接下来就是 | 紧随其后 | 之后紧跟着 | 后紧跟着 | 之后立刻 | 后立刻 | 立刻 | 随即 | 后随即 | 之后随即 | 后的下一个行为是 | 之后的下一个行为是 | 的下一个行为是 | 后的下一个行为就是 | 之后的下一个行为就是 | 的下一个行为就是 | 下一个行为是 | 下一个行为就是 | 后下一个行为是 | 后下一个动作是 | 的下一个动作是 | 后的下一个动作是 | 之后的下一个动作是 | 之后的下一个动作就是 | 后的下一个动作就是
ask follow: followed by | is followed by | follows | follow | followed
ask at once: directly | immediately | straight | right away | straight away | at once | instantly | as the very next act | as the next act | as the next step | very next act | very next step | as their next act | as the immediate next act
ask follows: directly follow | directly follows | immediately follow | immediately follows | follow directly | follows directly | follow immediately | follows immediately | come right after | comes right after | come directly after | comes directly after | come straight after | comes straight after | come immediately after | comes immediately after | happen right after | happens right after | follow right after
ask after: right after | straight after | directly after | immediately after | just after
ask next: the next act | next act | the next step | next step | the next thing | next thing
ask next: is the next act | is the next step | is next | the next act is | the next step is | the very next act is | the next act is directly | is the very next act | next | is the next thing | the next thing is
ask since: days ago | long ago | how long ago | how many days ago | how long since | how many days since | how long is it since | days since | how many days have passed since | how long has it been since | how many days is it since | how many days has it been since | how long has passed since | how recent | how recently | how many days before the end of the log | how many days before the end | how long before the end of the log | how many days passed since | recency | how many days back
ask since: 距今多少天 | 距今几天 | 多久没 | 多久没有 | 多少天没 | 多少天没有 | 几天没 | 几天没有 | 已经多少天没有 | 已经多少天没 | 已经几天没有 | 已经几天没 | 已经多久没有 | 已经多久没 | 多长时间没有 | 多长时间没 | 有多少天没有 | 有多少天没 | 有多久没 | 有多久没有 | 距日志结束多少天 | 距离日志结束多少天 | 距日志末尾多少天 | 距离日志末尾多少天 | 距日志结束有多少天 | 距离日志结束有多少天 | 距离日志结束有几天 | 距日志结束几天 | 距离日志结束几天 | 是多少天前 | 多少天前 | 几天前 | 是几天前 | 多少天以前 | 多久以前 | 多久之前 | 多久前 | 距离日志最后一刻多少天 | 距今有多少天 | 距今多久 | 过去了多少天 | 过了多少天 | 过去多少天了 | 距离日志的末尾有多少天 | 距离日志的结尾有多少天 | 距日志结尾多少天 | 距离日志结尾多少天 | 距离日志结尾有多少天 | 距离日志末尾有多少天 | 距离日志末尾有几天
ask inactive: 沉默 | 静默 | 没有行为 | 无行为 | 没动静 | 未活跃 | 未活动 | 没有动静 | dormant | idle | silent
ask inactive: been inactive | inactive | been quiet | been away | been absent | been silent | not been active | not been seen | not shown up | not come back | no activity
ask inactive: 没活动 | 没来 | 没来过 | 没有活动 | 没出现 | 不活跃 | 没有来
ask end: 至今已有 | 距今已 | 距今已有 | 离现在
ask end: 距离 | 距
ask end: the end of the log | end of the log | the log's end | the end of the data | the log ends | the log ended | the end of the period | the last day of the log | the newest act of the log | 距日志结束 | 距离日志结束 | 距日志末尾 | 距离日志末尾 | 距日志结尾 | 距离日志结尾 | 到日志结束 | 离日志结束 | 距今 | 至日志结束 | 日志结束时 | 截至日志结束 | 截止日志结束 | 到日志末尾 | 日志结束前 | 距离日志的结束 | 距离日志最后 | 距日志最后 | 离日志末尾 | 日志末尾 | 日志结束 | 日志结尾
ask before: 过去 | 已过
ask before: before | prior to | passed | lie | lies | elapsed | have passed | has passed | went by | have gone by | ago | 相隔 | 过去了 | 隔了
ask first: 首度 | 第一回
ask first: 头一次 | 初次 | 最早一次 | 最早的一次 | 最初一次 | 头一个 | 最开始
ask first: first | for the first time | earliest | very first | 1st | first of all | first time | oldest | first ever | first show up | first appear
ask first: 第一次 | 首次 | 最早 | 最先 | 第一个 | 第一部 | 第一件 | 第一款 | 首个 | 首先 | 第一 | 第一笔 | 首笔 | 首单 | 最初
ask last: 末次 | 最后一回 | 最近一回 | 最晚一次 | 最后的一次 | 最近的一次 | 最新的一次
ask last: last | latest | most recent | most recently | for the last time | last time | newest | very last | final
ask last: 最后一次 | 最近一次 | 最后 | 最晚 | 最后一个 | 最后一部 | 最后一件 | 最后一款 | 上一次 | 上次 | 最近一笔 | 最后一笔 | 最新一次
ask appear: see | saw | sees | spotted | come by
ask appear: show up | shows up | showed up | appear | appears | appeared | seen | be seen | turn up | turned up | arrive | arrived | active
ask appear: 出现 | 出现过 | 露面 | 来过 | 来
ask drift: 转移到 | 移向 | 转到 | 转移到了 | 转到了 | 更多转向 | 更多地转向 | 偏向于 | 更多偏向 | 移到
ask drift: turn to | turned to | turning to | turns to | shift to | shifted to | shift toward | shift towards | shifted toward | shifted towards | move to | moved to | move toward | move towards | moved toward | moved towards | move on to | gain the most | gained the most | gain most | gained most | lean toward | lean towards | drift to | drift toward | drift towards | drifted to | drifted towards | drifted toward | switch to | switched to | grow on
ask drift: 转向 | 转向了 | 偏向 | 更偏向 | 更偏好 | 倾向于 | 更倾向于 | 增加最多 | 上升最多 | 占比上升最多 | 占比增加最多 | 比例上升最多 | 占比上升得最多 | 占比提高最多 | 涨得最多 | 提升最多 | 上升最明显 | 增加得最多 | 上升得最多
ask away: turn away from | turned away from | move away from | moved away from | shift away from | shifted away from | lose interest in | lost interest in | drift away from | drifted away from | lose the most | lost the most | lose most | lost most | drop most | dropped most | turn their back on
ask away: 远离 | 减少最多 | 下降最多 | 占比下降最多 | 占比减少最多 | 失去兴趣 | 比例下降最多 | 占比下降得最多 | 降得最多 | 下降最明显 | 减少得最多 | 下降得最多 | 降低最多 | 兴趣减弱 | 疏远
ask interests: interest | interests | taste | tastes | mix of categories | category mix | preferences | preference
ask interests: 兴趣 | 偏好 | 品类构成 | 口味 | 类别构成 | 品类结构
ask price: how expensive | cost | costs
ask price: price paid | prices paid | paid | pay | 成交价 | 成交价格 | 购买价格 | 购买单价
ask price: price | prices | price per item | price tag | paid price | sale price
ask price: 价格 | 单价 | 售价 | 价钱
ask score: score | scores | mark | marks
ask score: 平均分 | 均分 | 分数 | 得分 | 分值 | 评分值
ask better: rate higher | rates higher | rated higher | higher rated | better rated | rate better | gives higher ratings | give higher ratings | gave higher ratings | give better ratings | gives better ratings | rates better | rated better | rate more generously | rate more highly | higher ratings
ask worse: rate lower | rates lower | rated lower | lower rated | gives lower ratings | give lower ratings | gave lower ratings | rate more harshly | lower ratings
add add: add | adds | added | adding | put | puts | putting
into cart: to the shopping cart | into the shopping cart | in the shopping cart | to their shopping cart | into their shopping cart | in their shopping cart | to the shopping basket | into the shopping basket | in the shopping basket | in their shopping basket | to their shopping basket | into a shopping cart
into cart: to the cart | to cart | to their cart | to a cart | to the basket | to basket | to their basket | to a basket | in the cart | in the basket | in their cart | in their basket | into the cart | into the basket | into their cart | into their basket | in a cart | in a basket | to their carts | to their baskets | 到购物车 | 进购物车
into remove: from the cart | from cart | from their cart | from the basket | from their basket | out of the cart | out of the basket | out of their cart
add remove: took | take | takes | taken
per users: per user | per customer | per shopper | per person | per head | per visitor | each user | each customer | each shopper | each person | every user | every customer
per users: 每人 | 人均 | 每位用户 | 每个用户 | 每名用户 | 每位顾客 | 每个顾客 | 每个人 | 每用户
per sessions: per session | per visit | each session | each visit | every session
per sessions: 每个会话 | 每次会话 | 每场会话 | 每会话 | 每次访问
per days: per day | a day | each day | every day | daily | per calendar day
per days: 每天 | 每日 | 日均 | 每一天
per purchases: per purchase | per order | per sale | an order | per purchased item | each purchase | each order
per purchases: 每单 | 每笔订单 | 每笔 | 每次购买 | 每个订单 | 每笔购买 | 每次下单 | 单均
per per: per | each | for each | for every | every | in each | in a single | in an average | apiece
per per: 每 | 每个 | 每位 | 每名 | 每一 | 每一个 | 每一位 | 每一次 | 单个
not not: not | never | n't | no | nobody | none | didn't | did not | has not | have not | hasn't | haven't | no one | don't | do not | does not | doesn't | wasn't | weren't | never once | neither
not not: 没有 | 没 | 从未 | 未 | 从来没有 | 从不 | 不 | 未曾 | 从没 | 并未 | 没有过 | 从来没
not without: without | without any | without a | without ever
except except: 不计 | 不算上 | 抛开 | 刨除 | 扣除 | 排除掉 | 剔除
except except: except | excluding | other than | apart from | without counting | leaving out | not counting | not including | exclude | besides | except for
except except: 除 | 除了 | 除去 | 不含 | 不包括 | 以外 | 之外 | 外 | 不算 | 排除 | 除外
only only: only | solely | exclusively | nothing but | just
only only: 只 | 仅 | 只有 | 仅仅 | 单单 | 仅有
and but: but | yet | 但 | 但是 | 却 | 不过
and and: and | as well as | & | plus
and and: 和 | 与 | 及 | 以及 | 跟 | 、 | 同
or or: or | and/or
or or: 或 | 或者 | 还是
both both: both | and then | then | also | too | at the same time | as well
both both: 同时 | 既 | 又 | 并且 | 而且 | 且 | 也 | 并 | 然后
compare >=: at least | no fewer than | not fewer than | no less than | not less than | a minimum of | >=
compare >=: 至少 | 不少于 | 不低于 | 大于等于 | 最少有
compare >: more than | above | greater than | > | exceeding | upwards of
compare >: 超过 | 多于 | 大于 | 高于
compare <=: at most | no more than | not more than | up to | a maximum of | <= | maximum of
compare <=: 至多 | 最多有 | 不超过 | 不多于 | 小于等于 | 不高于
compare <: fewer than | less than | under | below | <
compare <: 少于 | 不到 | 小于 | 不足 | 低于
compare =: exactly | precisely
compare =: 恰好 | 正好 | 刚好
suffix >=: or more | and more | or more often | or above | and above | or higher | and up | or better
suffix >=: 以上 | 及以上 | 或以上 | 次以上 | 次及以上 | 次或以上 | 次或更多
suffix <=: or fewer | or less | or below | and below | or lower | and lower
suffix <=: 以下 | 及以下 | 或以下
times times: times | time | occasions
times times: 次 | 回
times once: once
times twice: twice
different different: different | distinct | unique | various | separate
different different: 不同 | 不同的 | 不重复 | 不一样 | 独立
stars stars: star | stars | out of five | out of 5 | points | point
stars stars: 分 | 星 | 颗星 | 星级
half both: first to the second half | first to second half | first half to second half | first half into the second half | first half to the second | first half and the second | both halves | each half | one half to the other | 前后两个半段 | 前一半到后一半 | 前半到后半 | 前半段转到后半段
half both: first and second half | first and the second half | first and second halves | two halves | halves | first half to the second half | first half and the second half | first half and second half | 前后半段 | 前后两半 | 前后两段 | 前半段和后半段 | 前半段与后半段 | 前半段到后半段
half first: first half | earlier half | first half of their acts | first half of the acts | first half of his acts | first half of its acts | first half of her acts | the first half of their history
half first: 前半段 | 前半 | 前一半 | 上半段 | 前半部分
half second: second half | later half | second half of their acts | second half of the acts | second half of his acts | second half of her acts | second half of their history | latter half
half second: 后半段 | 后半 | 后一半 | 下半段 | 后半部分
weekdays 56: weekend | weekends | at the weekend | on weekends | on the weekend | at weekends | saturday and sunday | saturdays and sundays
weekdays 56: 周末 | 双休日 | 周六和周日 | 周六周日 | 周六、周日 | 星期六和星期日
weekdays 01234: weekdays | working days | workdays | on weekdays | on workdays | on working days | work days | monday to friday | mondays to fridays | during the week
weekdays 01234: 工作日 | 周一到周五 | 周一至周五 | 平日
weekdays 0: monday | mondays | mon
weekdays 1: tuesday | tuesdays | tue | tues
weekdays 2: wednesday | wednesdays | wed
weekdays 3: thursday | thursdays | thu | thurs
weekdays 4: friday | fridays | fri
weekdays 5: saturday | saturdays
weekdays 6: sunday | sundays
weekdays 0: 周一 | 星期一 | 礼拜一
weekdays 1: 周二 | 星期二 | 礼拜二
weekdays 2: 周三 | 星期三 | 礼拜三
weekdays 3: 周四 | 星期四 | 礼拜四
weekdays 4: 周五 | 星期五 | 礼拜五
weekdays 5: 周六 | 星期六 | 礼拜六
weekdays 6: 周日 | 星期日 | 星期天 | 礼拜日 | 周天 | 礼拜天
gender F: women | woman | female | females | ladies | girls
gender F: 女性 | 女 | 女用户 | 女士 | 女生 | 女性用户 | 女顾客
gender M: men | man | male | males | gentlemen | boys
gender M: 男性 | 男 | 男用户 | 男士 | 男生 | 男性用户 | 男顾客
age age: aged | age | years old | year-olds | years of age | year olds
age age: 岁 | 年龄
age >=: or older | or over | and older | and over
age >: older than
age <: younger than
topic funnel: conversion | conversion rate | convert | converts | converted | funnel | funnel conversion | converting | overall conversion | overall conversion rate
topic funnel: 转化率 | 转化 | 漏斗 | 漏斗转化率 | 总转化率 | 整体转化率
topic weekly: weekly retention | one-week retention | week-1 retention | week-one retention | 1-week retention | first-week retention | next-week retention | week one retention | 周留存 | 周留存率 | 次周留存 | 次周留存率 | 一周留存率 | 第一周留存率
topic retention: retention | retention rate | retained | come back | comes back | came back | return | returned | returning | still active | come back again | be back
topic retention: 留存率 | 留存 | 留下来 | 回来 | 回访 | 回访率 | 又回来
topic new users: new users | new customers | new shoppers | newcomers | new visitors | new user | new customer
topic new users: 新用户 | 新顾客 | 新客 | 新增用户 | 新客户
topic bounce: bounce rate | bounce | bounces | bounced | leave after one act | leave after a single act | left after one act | left after a single act | end after one act | end after a single act | ended after one act | ended after a single act | a single act | only one act | just one act | consist of one act | consist of a single act | consist of only one act | consist of just one act | have only one act | one act only | one-act sessions | single-act sessions | with only one act | with a single act | with just one act
topic bounce: 跳出率 | 跳出 | 只做一次行为就离开 | 只有一次行为 | 只做一次行为 | 只做了一次行为就离开 | 只有一个行为 | 仅有一次行为 | 只有一次行为就离开 | 只包含一次行为 | 一次行为就离开 | 只做了一次行为 | 仅一次行为
topic median: median | typical | in the median | midpoint
topic median: 中位数 | 中位 | 中位值
topic length: length | lasts | lasted | duration
topic length: 长度 | 时长 | 持续 | 持续时间 | 持续多久 | 有多长 | 多长时间
topic seconds: in seconds | how long | how many seconds | in minutes
topic seconds: 秒 | 多少秒 | 几秒
topic stickiness: stickiness | sticky | dau/mau | dau to mau | dau over mau | daily over monthly active users | daily to monthly active users
topic stickiness: 粘性 | 黏性 | 用户粘性 | 用户黏性 | 日活月活比
topic wau: dau/wau | dau over wau | dau to wau | daily over weekly active users | daily to weekly active users
topic wau: 日活周活比
topic dau: dau | daily active users
topic dau: 日活 | 日活跃用户 | 日活跃用户数 | 日均活跃用户 | 日均活跃用户数 | 日活用户 | 日活用户数
topic ctr: click-through rate | click through rate | clickthrough rate | click rate | ctr | click-through
topic ctr: 点击率
topic slot: 展示位 | 广告位 | 位次 | 排位
topic slot: 号位置 | 号展位 | 号坑位 | 号槽位
topic slot: slot | slots | position | list position
topic slot: 位置 | 展位 | 槽位 | 坑位 | 号位
topic policy: policy | policies | arm | variant
topic policy: 策略 | 实验组
topic bots: flagged as bots | flagged as bot | flagged as suspected bots | flagged as a bot | flagged as suspected bot | suspected of being bots | suspected of being a bot | suspected to be bots | considered bots | suspected automatic user | likely bots | probably bots | possible bots | 被标记为机器人 | 被怀疑是机器人 | 疑似为机器人 | 被标记为疑似机器人 | 可能是机器人 | 疑似机器人账户
topic bots: suspected bots | suspected bot | bots | bot | automatic users | suspected automatic users | robots | crawlers | suspicious users | suspicious accounts | automated accounts | bot-like users
topic bots: 疑似机器人 | 机器人 | 疑似机器人用户 | 爬虫 | 可疑用户 | 疑似爬虫 | 疑似机器人账号
topic gini: gini | gini coefficient | gini index
topic gini: 基尼系数
topic churn: churn | churned | churn rate
topic churn: 流失 | 流失率
topic later: 一周的 | 1周留存 | 首周后
topic later: 次周
topic later: after one week | after a week | a week later | one week later | after 1 week | the week after | in the following week | a week after | one week after | in the next week | after the first week | in week 1 | week 1 | week one | 1 week later | in their second week | the following week
topic later: 一周后 | 一周之后 | 1周后 | 第二周 | 一个星期后 | 一星期后 | 下一周 | 第1周 | 一周以后 | 七天后
topic later2: after two weeks | two weeks later | after 2 weeks | in week 2 | week 2 | week two | 2 weeks later | two weeks after
topic later2: 两周后 | 两周之后 | 2周后 | 第2周 | 两个星期后 | 两周以后
topic later3: after three weeks | three weeks later | after 3 weeks | in week 3 | week 3 | week three | 3 weeks later | three weeks after
topic later3: 三周后 | 三周之后 | 3周后 | 第3周 | 三个星期后 | 三周以后
topic later4: after four weeks | four weeks later | after 4 weeks | in week 4 | week 4 | week four | 4 weeks later | four weeks after
topic later4: 四周后 | 四周之后 | 4周后 | 第4周 | 四个星期后 | 四周以后
ask later: after | afterwards
ask later: 之后 | 后 | 以后
ask chance: how likely | likely | probability | chance | chances | likelihood | odds
ask chance: 概率 | 可能性 | 几率
refuse cause: why | because | reason | reasons | cause | causes | caused | due to | explain | explains | what made | how come
refuse cause: 为什么 | 为何 | 原因 | 因为 | 导致 | 怎么会 | 由于 | 造成 | 为啥
refuse future: will | tomorrow | next month | next week | next year | forecast | predict | predicted | prediction | expect | expected | going to | in the future | future
refuse future: 将会 | 会是 | 明天 | 下个月 | 下月 | 明年 | 下周 | 预测 | 预计 | 未来 | 将来 | 预期 | 会有
refuse opinion: best | should | recommend | advise | opinion | think | good | bad | better | worth | beautiful | like best | prettiest | nicest | nice
refuse opinion: 应该 | 建议 | 推荐 | 觉得 | 认为 | 好看 | 好不好 | 值得 | 喜欢 | 更好 | 该不该
link link: enter | enters | type | typed | use | used | uses
link link: responsible for | accounted for | account for | accounts for | stem from | stems from | made by | done by | coming from | originate from | originates from | generated by | performed by | carried out by | attributable to | given by | belong to | belongs to | work out | concern | concerns | concerned | involve | involves | involved | cover | covers | covered | consist of | consists of | 归于 | 关于 | 针对 | 属于了 | 是由 | 来自于
link link: place | placed | places | placing
link link: contribute | contributed | contributes | 贡献 | 贡献了 | 带有 | 带 | 涉及 | brought | brings | entered | brought in | belonging | found in | landed on | 出自 | 源自 | 由来 | 归属于 | 集中于 | 记录到 | 共有
link link: 下了 | 下过
link link: that | who | were | was | are | is | be | been | being | happen | happens | happened | come | comes | came | made | make | makes | had | has | have | having | contain | contains | contained | include | includes | included | go | goes | went | belong | belongs | took place | take place | takes place | with | where | fall | which | given | did | do | does | ever | go to | goes to | went to | fall on | falls on | fell on | done | occur | occurs | occurred | placed | get | gets | got | give | gives | gave | receive | receives | received | containing | leads | make up | makes up | account | come from | comes from | came from
link link: 是 | 为 | 有 | 有过 | 发生 | 发生了 | 发生过 | 来自 | 来自于 | 产生 | 包含 | 含有 | 含 | 属于 | 做 | 做了 | 做过 | 出现在 | 发生在 | 集中在 | 落在 | 曾经 | 曾 | 里有 | 中有 | 里发生了 | 由 | 至少有过
prep in: between
prep in: in | among | within | during | throughout | over | across | for | at | on | inside | amongst | for all | out of | of all | from among
prep in: 中 | 里 | 内 | 当中 | 其中 | 之中 | 中的 | 里的 | 里面 | 之内 | 在 | 于 | 对于 | 对
prep of: of | of the | of all the | of our | of its
prep from: by the | from the | via the
prep from: 把 | 将 | 向 | 往
prep from: from | by | through | via | to | into | as | about | with the | towards
prep from: 从 | 被 | 给 | 到 | 经
filler filler: in terms of | measured by | by volume | specifically | all in all | overall number | 排行 | 排行榜 | 排名 | 连续 | 具体是 | 店铺里 | 商店里 | 店铺中 | 商城里 | 平台上 | 网站上 | 在册 | 期内 | 这份日志 | 这份日志中 | 这份日志里 | 本日志 | 本店 | 全日志 | 整份日志 | 日志期间 | 日志记录 | 有记录的 | 记录的 | 此
filler filler: state | print | determine | work out | look up | 查询 | 查询一下 | 查一查 | 求 | 求出 | 算算 | 找出 | 找到 | 找一下 | 查出 | 显示 | 说出 | 写出 | 返回 | 输出 | 请回答 | 请查看 | 帮我查看 | 请列出 | 请给出 | 请计算 | 请统计 | 报一下 | 报告 | 问一下 | 请找出 | 数一数 | 数一下 | teh | plz | pls | 一共是
filler filler: 累计 | 到目前为止 | 目前为止 | 请问一下 | 想问 | 想问一下 | 麻烦 | 劳驾 | 能否 | 能不能 | 可以 | 可否 | give the | i need | i'd like | could you tell me | can you tell me | please tell me | do you have | as a whole | in the entire log | in the whole period | over the whole log | over all time | all time | all-time | of all time | on the whole | measured from | counted from | counted | customers' | shoppers' | people's | folks | folk | the following | each of them | alone | 那么 | 具体 | 大致 | 全部加起来 | 加起来 | 里边 | 之中的 | 名称 | 名字
filler filler: 任何 | 依次 | 按顺序 | 依序 | 分别为
filler filler: do we | did we | have we | we have | in there | 次数为 | 分别是 | 呢 | 一共有
filler filler: another | other's | purchase-wise | thing's | whom | whole lot | ended up | end up | ends up | much of | the shop's | 曾经有 | 而已 | 店内 | 各个 | 那里 | 某 | 呢？ | 请给出 | 给我 | 多久以来
filler filler: the | a | an | any | all | total | in total | altogether | in all | so far | entire | whole | complete | log | logs | data | data set | dataset | store | shop | site | website | platform | record | recorded | records | our | we | us | i | you | my | your | me | it | its | they | them | their | he | she | his | her | him | this | these | those | there | please | tell | tell me | give me | show me | show | list | name | find | find out | want to know | i want to know | i'd like to know | can you | could you | would you | do you know | let me know | how high is | how high was | how large is | how big is | how high | how large | how big | calculate | compute | report | quick question | hi | hello | thanks | thank you | hey | just tell me | exactly how many | in this log | in the log | in the data | in this shop | in the shop | in our shop | in this dataset | according to the log | actually | usually | normally | typically | generally | really | single | respectively | both of them | by number of | by the number of | number | ever since | users' | at all | on record | since the start | from start to finish | utc | s | ones | one's | were there | are there | is there | was there | there been | look like | of them | of those | of these | own | time | so | made up of | id | called | named | titled | labelled | labeled | tagged | segment | members | member | whole time | whole period | period | during the whole period | throughout the log | the entire period
filler filler: 的 | 了 | 过 | 请问 | 请 | 告诉我 | 一下 | 吗 | 呢 | 呀 | 啊 | 吧 | 一共 | 总共 | 共 | 总计 | 合计 | 共计 | 总 | 全部 | 所有 | 全 | 整个 | 日志 | 日志里 | 日志中 | 日志内 | 数据 | 数据中 | 数据里 | 店里 | 店铺 | 商店 | 商城 | 网站 | 平台 | 那 | 这 | 那些 | 这些 | 我们 | 我 | 你 | 他 | 她 | 它 | 他们 | 她们 | 他的 | 她的 | 其 | 自己 | 该 | 这个 | 那个 | 都 | 就 | 个 | 位 | 名 | 条 | 款 | 种 | 部 | 家 | 件 | 笔 | 进行 | 进行了 | 进行过 | 分别 | 各 | 各自 | 一般 | 通常 | 往往 | 大概 | 得 | 地 | 到底 | 究竟 | 现在 | 目前 | 截至目前 | 迄今 | 想知道 | 我想知道 | 帮我 | 帮我查 | 帮我查一下 | 帮我看看 | 查一下 | 帮忙 | 统计 | 统计一下 | 计算 | 算一下 | 看一下 | 看看 | 列出 | 列一下 | 给出 | 说说 | 大约 | 总的 | 的话 | 时 | 时候 | 情况 | 是否 | 里头 | 至今 | 已经 | 已 | 您好 | 你好 | 谢谢 | 这位 | 那位 | 一位 | 一个 | 一名 | 一天 | 量 | 大 | 那一天 | 那天 | 当天 | 期间 | 以来 | 间 | 之间 | 身上 | 上 | 方面 | 而言 | 来说 | 来看 | 的是 | 叫 | 叫做 | 名为 | 编号 | 细分 | 分群 | 发出 | 给了 | 给过 | 给出了 | 收到 | 收到了 | 得到 | 得到了 | 获得 | 获得了
"""  # noqa: E501

Meaning = tuple[str, str]
_WITH_ARTICLE: Final = ("top", "busiest", "sold", "first", "last", "more", "fewer", "difference", "ratio", "share", "mean", "least")
"""Words that may stand with `the`, which is no word of its own then."""


def _phrases() -> dict[str, Meaning]:
    found: dict[str, Meaning] = {}
    for line in _LINES.strip().splitlines():
        head, _, listed = line.partition(": ")
        kind, _, value = head.partition(" ")
        for phrase in listed.split(" | "):
            found.setdefault(phrase, (kind, value))
            if (kind == "half" or (kind == "ask" and value in _WITH_ARTICLE)) and phrase.isascii():
                found.setdefault(f"the {phrase}", (kind, value))
    return found


PHRASES: Final[dict[str, Meaning]] = _phrases()
"""Phrase in lower case to its kind and value; the first line that has it wins."""
LONGEST: Final = max(map(len, PHRASES))
