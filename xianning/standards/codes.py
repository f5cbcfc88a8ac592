"""Code lists of the national standards: code -> Chinese name, and the words people write instead.

Aliases map a word (lower case, no blanks) to a code. Names are what is printed on forms.
"""

from __future__ import annotations

from .text import NotValid, fold


def _pairs(table: str) -> dict[str, str]:
    """Read ``code name code name …`` divided by white space."""
    words = table.split()
    return dict(zip(words[::2], words[1::2], strict=True))


def _words(table: dict[str, str]) -> dict[str, str]:
    """Turn ``code -> words divided by blanks`` into ``word -> code``."""
    return {word: code for code, words in table.items() for word in words.split()}


# GB/T 2261.1-2003
SEX: dict[str, str] = _pairs("0 未知 1 男 2 女 9 未说明")
SEX_ALIASES: dict[str, str] = _words(
    {
        "0": "未知的性别",
        "1": "m male 男性 男士 男同志 男职工 ♂",
        "2": "f female 女性 女士 女同志 女职工 ♀",
        "9": "未说明的性别",
    }
)

# GB/T 3304-1991; 97 and 98 are the customary additions for people outside the 56 groups.
_ETHNIC_GROUPS = _pairs("""
    01 汉 02 蒙古 03 回 04 藏 05 维吾尔 06 苗 07 彝 08 壮 09 布依 10 朝鲜 11 满 12 侗 13 瑶 14 白
    15 土家 16 哈尼 17 哈萨克 18 傣 19 黎 20 傈僳 21 佤 22 畲 23 高山 24 拉祜 25 水 26 东乡 27 纳西
    28 景颇 29 柯尔克孜 30 土 31 达斡尔 32 仫佬 33 羌 34 布朗 35 撒拉 36 毛南 37 仡佬 38 锡伯
    39 阿昌 40 普米 41 塔吉克 42 怒 43 乌孜别克 44 俄罗斯 45 鄂温克 46 德昂 47 保安 48 裕固 49 京
    50 塔塔尔 51 独龙 52 鄂伦春 53 赫哲 54 门巴 55 珞巴 56 基诺
""")
ETHNICITY: dict[str, str] = {
    **{code: f"{group}族" for code, group in _ETHNIC_GROUPS.items()},
    "97": "其他",
    "98": "外国血统中国籍人士",
}
ETHNICITY_ALIASES: dict[str, str] = {
    **{group: code for code, group in _ETHNIC_GROUPS.items()},
    **_words(
        {
            "02": "蒙 蒙族",
            "05": "维 维族",
            "36": "毛难 毛难族",  # name until 1986
            "46": "崩龙 崩龙族",  # name until 1985
            "97": "其它 其他民族 其它民族 未识别民族 未识别 穿青人",
            "98": "入籍 外国血统 外国血统中国籍 外国人加入中国籍",
        }
    ),
}

# GB/T 4762-1984
POLITICAL_STATUS: dict[str, str] = _pairs("""
    01 中共党员 02 中共预备党员 03 共青团员 04 民革党员 05 民盟盟员 06 民建会员 07 民进会员
    08 农工党党员 09 致公党党员 10 九三学社社员 11 台盟盟员 12 无党派人士 13 群众
""")
POLITICAL_STATUS_ALIASES: dict[str, str] = _words(
    {
        "01": "党员 中共 共产党 共产党员 中国共产党 中国共产党党员 正式党员 中共正式党员 中共党员(正式)",
        "02": "预备 预备党员 中国共产党预备党员 中共党员(预备) 党员(预备)",
        "03": "团员 共青团 中国共产主义青年团团员",
        "04": "民革 民革会员 中国国民党革命委员会会员 中国国民党革命委员会党员",
        "05": "民盟 中国民主同盟盟员",
        "06": "民建 中国民主建国会会员",
        "07": "民进 中国民主促进会会员",
        "08": "农工党 农工民主党 农工民主党党员 中国农工民主党党员",
        "09": "致公党 中国致公党党员",
        "10": "九三 九三学社",
        "11": "台盟 台湾民主自治同盟盟员",
        "12": "无党派 无党派民主人士",
        "13": "普通群众 一般群众 普通公民 普通居民 非党员",
    }
)

# GB/T 4658-2006: the levels, and the kinds of secondary schools that old files tell apart.
EDUCATION: dict[str, str] = _pairs("""
    10 研究生 11 博士研究生 14 硕士研究生 20 大学本科 30 大学专科 40 中等职业教育 41 中等专科
    44 职业高中 47 技工学校 60 普通高中 70 初中 80 小学 90 其他
""")
EDUCATION_ALIASES: dict[str, str] = _words(
    {
        "10": "研究生教育 研究生毕业 研究生班 17 研究生班毕业",
        "11": "博士 博士毕业 博士研究生毕业",
        "14": "硕士 硕士毕业 硕士研究生毕业",
        "20": "大学 本科 大本 大学毕业 本科毕业 本科学历 大学学历 大学文化 大学本科教育 21 "
        "大学本科毕业 28 大学普通班毕业",
        "30": "大专 专科 大专毕业 专科毕业 大专学历 专科学历 大专文化 大学专科教育 31 大学专科毕业 高职",
        "40": "中职 中等职业",
        "41": "中专 中专毕业 中专学历 中专文化 中等专科毕业 中师 中等师范",
        "44": "职高 职高毕业 职业高中毕业 职业中学",
        "47": "技校 中技 技工 技校毕业 技工学校毕业",
        "60": "高中 高中毕业 高中学历 高中文化 普通高级中学 普通高级中学教育 高级中学 61 普通高中毕业",
        "70": "初级中学 初级中学教育 初中毕业 初中学历 初中文化 71",
        "80": "小学教育 小学毕业 小学学历 小学文化 81 高小 初小 完小",
        "90": "其它 文盲 半文盲 文盲或半文盲 文盲半文盲 不识字 无",
    }
)

# GB/T 2261.3-2003 in its short (one digit) and long form. 10, 20, 30 and 60 have the names of
# 1, 2, 3 and 6; a name is looked up as the short code.
HEALTH: dict[str, str] = _pairs("""
    1 健康或良好 2 一般或较弱 3 有慢性病 6 残疾 10 健康或良好 20 一般或较弱 30 有慢性病
    31 心血管病 32 脑血管病 33 慢性呼吸系统病 34 慢性消化系统病 35 慢性肾炎 36 结核病 37 糖尿病
    38 神经或精神疾病 41 癌症 49 其他慢性病 60 残疾 61 视力残疾 62 听力残疾 63 言语残疾 64 肢体残疾
    65 智力残疾 66 精神残疾 67 多重残疾 69 其他残疾
""")
HEALTH_ALIASES: dict[str, str] = _words(
    {
        "1": "健康 良好 健康良好 好 身体健康 正常",
        "2": "一般 较弱 体弱 较差",
        "3": "慢性病 患慢性病 长年有病 长期慢性病 有慢性疾病",
        "6": "残疾人 伤残 有残疾",
        "31": "心脏病 冠心病 心血管疾病",
        "32": "脑梗 脑梗塞 脑血栓 中风 脑血管疾病",
        "36": "肺结核",
        "41": "恶性肿瘤",
    }
)

# GB/T 2261.2-2003
MARRIAGE: dict[str, str] = _pairs(
    "10 未婚 20 已婚 21 初婚 22 再婚 23 复婚 30 丧偶 40 离婚 90 未说明"
)
MARRIAGE_ALIASES: dict[str, str] = _words(
    {
        "10": "单身",
        "20": "结婚 有配偶 在婚",
        "30": "丧妻 丧夫 鳏寡",
        "40": "离异 已离婚",
        "90": "未说明的婚姻状况 未知 不详",
    }
)

# GB/T 4761-2008: relation of a contact to the retiree; the remote relations are left out.
KINSHIP: dict[str, str] = _pairs("""
    01 本人 02 户主 10 配偶 11 夫 12 妻
    20 子 21 独生子 22 长子 23 次子 24 三子 27 养子或继子 28 女婿
    30 女 31 独生女 32 长女 33 次女 34 三女 37 养女或继女 38 儿媳
    41 孙子 42 孙女 43 外孙子 44 外孙女 50 父母 51 父亲 52 母亲
    70 兄弟姐妹 71 兄 73 弟 75 姐姐 77 妹妹
    93 侄子 94 侄女 95 外甥 96 外甥女 97 其他亲属 99 非亲属
""")
KINSHIP_ALIASES: dict[str, str] = _words(
    {
        "01": "自己",
        "10": "爱人 老伴 夫妻 夫妇",
        "11": "丈夫 老公",
        "12": "妻子 老婆",
        "20": "儿子 儿 父子 母子",
        "22": "大儿子",
        "23": "二儿子 小儿子 二子",
        "24": "三儿子",
        "27": "养子 继子",
        "30": "女儿 父女 母女",
        "32": "大女儿",
        "33": "二女儿 小女儿 二女",
        "34": "三女儿",
        "37": "养女 继女",
        "38": "媳妇 儿媳妇",
        "41": "孙 孙儿",
        "43": "外孙",
        "51": "父 爸爸",
        "52": "母 妈妈",
        "70": "兄妹 姐弟 兄弟 姐妹",
        "71": "哥 哥哥 兄长",
        "73": "弟弟",
        "75": "姐",
        "77": "妹",
        "93": "侄儿 侄",
        "97": "亲属 亲戚 其它亲属",
        "99": "朋友 同事 邻居 保姆 其他 其它",
    }
)


def lookup(codes: dict[str, str], text: str, aliases: dict[str, str] | None = None) -> str:
    """Return the code that ``text`` means: a code, a name, or a word of ``aliases``.

    Blanks, full-width forms and upper or lower case make no difference. A single digit finds a
    code whose leading zero a spreadsheet has dropped.

    Raises NotValid with the accepted names.
    """
    word = fold(text).replace(" ", "").casefold()
    for code in (word, "0" + word) if word else ():
        if code in codes:
            return code
    for code, name in codes.items():
        if name.casefold() == word:
            return code
    for alias, code in (aliases or {}).items():
        if alias.casefold() == word:
            return code
    names = "、".join(dict.fromkeys(codes.values()))
    raise NotValid(f"{'无法识别所填内容' if word else '内容为空'}，可填写：{names}。")
