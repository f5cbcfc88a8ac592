"""Which passwords are taken: long ones that nobody guesses (NIST SP 800-63B, ASVS 5.0.0 V6.2).

等保 mode (DENGBAO=1) adds what 等保 L3-CES1-01 asks for: character classes, an age limit, no
repetition. ASVS 6.2.5 and 6.2.10 advise against the first two, because people answer them with a
digit at the end; so they are a switch of the site, off unless its assessor demands them.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from xianning.models import User

SHORTEST, LONGEST = 12, 128
LONGEST_AGE = timedelta(days=90)
CLASSES = 3
_LEAST_LEFT = 5  # what must be left when everything guessable is taken out; a Han counts two

# What is tried first against this system: its places, its offices, its own words.
_PLACES = (
    "xianning xianan jiayu tongcheng chongyang tongshan chibi puqi wenquan hubei ebei enan wuhan"
    " zhongguo china 咸宁 咸安 嘉鱼 通城 崇阳 通山 赤壁 蒲圻 湖北 鄂南 武汉 中国"
)
_SYSTEM = (
    "password passwd passw0rd passwort pass pwd mima kouling admin administrator guanliyuan guanli"
    " root super user guest test demo login welcome letmein changeme secret master system xitong"
    " iloveyou woaini woaizuguo zuguo default server computer oracle mysql huawei tencent wechat"
    " weixin dragon monkey sunshine princess football baseball shadow superman batman trustno"
    " 密码 口令 管理员 管理 系统 测试 演示 登录 用户 欢迎 我爱你 祖国"
)
_OFFICES = (
    "tuixiu tuixiuren tuixiurenyuan yijiao shehuihua guoqi guozi guoziwei renshe renshejue rensheju"
    " shebao shebaoju yibao yibaoju dangan danganguan jiedao jiedaoban shequ dangwei dangjian"
    " dangzuzhi zhengfu shenji anquan gongsi qiye gongchang zhigong retire retiree transfer"
    " gzw rsj sbj ybj 退休 退休人员 移交 社会化 社会化管理 国企 国资 国资委 人社 人社局 社保"
    " 社保局 医保 医保局 档案 档案馆 街道 社区 党委 党建 党组织 政府 审计 安全 公司 企业 职工 单位"
)
_LEET = {"@": "a", "4": "a", "3": "e", "!": "i", "1": "i", "0": "o", "$": "s", "5": "s", "7": "t",
         "+": "t", "8": "b", "9": "g"}  # fmt: skip
_AS_I, _AS_L = str.maketrans(_LEET), str.maketrans(_LEET | {"1": "l", "!": "l"})
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/", "!@#$%^&*()_+", "一二三四五六七八九十",
    "qazwsxedcrfvtgbyhnujmikolp", "甲乙丙丁戊己庚辛壬癸",
)  # fmt: skip
_HAN = re.compile(r"[㐀-鿿]")
_DATE = re.compile(r"(19|20)\d\d[-./年]?((0?[1-9]|1[0-2])[-./月]?((0?[1-9]|[12]\d|3[01])日?)?)?")


def is_too_old(user: User) -> bool:
    """Whether 等保 mode asks USER for a new password."""
    return bool(settings.DENGBAO) and timezone.now() - user.password_changed_at > LONGEST_AGE


def fold(text: str) -> str:
    """One spelling of what looks alike: full width, case."""
    return unicodedata.normalize("NFKC", text).casefold()


# --- what can be guessed ------------------------------------------------------------------------


@cache
def _own_words() -> tuple[str, ...]:
    words = {fold(word) for words in (_PLACES, _SYSTEM, _OFFICES) for word in words.split()}
    return tuple(sorted(words, key=len, reverse=True))


@cache
def _runs() -> re.Pattern[str]:
    """Three or more neighbours of a keyboard row or a sequence, either way."""
    both = [line for row in _ROWS for line in (row, row[::-1])]
    triples = {line[at : at + 3] for line in both for at in range(len(line) - 2)}
    starts = "|".join(re.escape(triple) for triple in sorted(triples))
    return re.compile(rf"(?:(?=({starts})).)+..")


_SUFFIX = re.compile(r"(（.*）|\(.*\)|有限责任公司|股份有限公司|有限公司|公司|集团|总厂|厂)$")
_PREFIX = re.compile(r"^(湖北省?)?(咸宁市?|咸安区?|嘉鱼县?|通城县?|崇阳县?|通山县?|赤壁市?)?")


def _names_of(user: User | None) -> Iterator[str]:
    """Names that whoever knows USER or his office tries."""
    if user is None:
        return
    yield user.username
    yield user.full_name
    yield user.full_name[1:]
    if user._state.adding:
        return
    for office in user.offices.select_related("area", "enterprise"):
        yield office.name
        if office.area:
            yield office.area.name


def _enterprise_names() -> Iterator[str]:
    from enterprises.models import Enterprise

    for name in Enterprise.objects.values_list("name", flat=True).iterator():
        yield name
        yield _PREFIX.sub("", _SUFFIX.sub("", _SUFFIX.sub("", name)))


def _is_word(word: str) -> bool:
    return len(word) >= (2 if _HAN.search(word) else 3)


def _without(text: str, words: Iterable[str]) -> str:
    for word in words:
        text = text.replace(word, " ")
    return text


def what_is_left(password: str, user: User | None = None) -> str:
    """PASSWORD without known words, names, dates, rows of the keyboard and repetitions."""
    text = fold(password)
    names = [*_names_of(user), *(_enterprise_names() if _HAN.search(text) else ())]
    mine = sorted({fold(name) for name in names if _is_word(name)}, key=len, reverse=True)
    words = (*mine, *_own_words())
    # Each reading of 1 and ! takes out what it knows; what no reading knows is left.
    kept = [text]
    for reading in (_AS_I, _AS_L):
        read = text.translate(reading)
        gone = _without(read, words)
        if gone != read:
            kept.append(gone)
    rests = [_plainest(_without(each, words)) for each in kept]
    return min(rests, key=_weight)


def _plainest(text: str) -> str:
    text = _DATE.sub(" ", text)
    text = _runs().sub(" ", text)
    return re.sub(r"(.)\1\1+", r"\1", text)


def _weight(rest: str) -> int:
    return sum(2 if _HAN.match(sign) else 1 for sign in set(rest) if sign.isalnum())


def _readings(password: str) -> set[str]:
    """What stands behind the decoration: no digits and signs at the ends, no leet."""
    text = fold(password)
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", text)
    bare = {text, core, re.sub(r"[\W_]", "", text), re.sub(r"[\W\d_]", "", text)}
    return bare | {word.translate(table) for word in (text, core) for table in (_AS_I, _AS_L)}


def _unit(text: str) -> str:
    """The shortest piece whose repetition TEXT is."""
    at = (text + text).find(text, 1)
    return text[:at]


# --- validators (AUTH_PASSWORD_VALIDATORS) -------------------------------------------------------


class LengthValidator:
    """ASVS 6.2.1, 6.2.9: at least 12 characters, 128 are welcome, none is cut off."""

    def validate(self, password: str, user: User | None = None) -> None:
        if len(password) < SHORTEST:
            raise ValidationError(
                f"密码太短：至少 {SHORTEST} 个字符，现为 {len(password)} 个。", code="too_short"
            )
        if len(password) > LONGEST:
            raise ValidationError(f"密码太长：最多 {LONGEST} 个字符。", code="too_long")

    def get_help_text(self) -> str:
        return f"{SHORTEST} 至 {LONGEST} 个字符，可以用汉字，例如用几个互不相干的词连成一句。"


class GuessableValidator:
    """ASVS 6.2.4, 6.2.11: not a common password, not one made of words everybody here knows."""

    def validate(self, password: str, user: User | None = None) -> None:
        # Four short pieces repeated are as easily tried as one.
        if len(_unit(fold(password))) < min(8, len(password)):
            raise ValidationError("密码只是几个字符的重复，请另换一个。", code="repeated")
        if _readings(password) & _common():
            raise ValidationError("这是常见的密码，很容易被猜中，请另换一个。", code="common")
        if _weight(what_is_left(password, user)) < _LEAST_LEFT:
            raise ValidationError(
                "密码里除了地名、机构名、人名、用户名、日期、常用词和连续字符，几乎不剩别的，"
                "容易被猜中。请加几个互不相干的词。",
                code="guessable",
            )

    def get_help_text(self) -> str:
        return "不要用地名、机构名、人名、用户名、日期、常用词或键盘上连着的字符拼成。"


@cache
def _common() -> frozenset[str]:
    """Django's list of 20,000."""
    return frozenset(CommonPasswordValidator().passwords)


class ClassesValidator:
    """等保 mode: three of four classes; a Chinese character counts as a sign."""

    def validate(self, password: str, user: User | None = None) -> None:
        if not settings.DENGBAO:
            return
        classes = {
            "lower" if sign.isascii() and sign.islower()
            else "upper" if sign.isascii() and sign.isupper()
            else "digit" if sign.isascii() and sign.isdigit()
            else "sign"
            for sign in password
        }  # fmt: skip
        if len(classes) < CLASSES:
            raise ValidationError(
                "按等级保护要求，小写字母、大写字母、数字、符号（含汉字）四类中须有三类。",
                code="classes",
            )

    def get_help_text(self) -> str:
        if not settings.DENGBAO:
            return "不必定期更换；怀疑别人知道时，请立即更换。"
        return (
            "小写字母、大写字母、数字、符号（含汉字）四类中须有三类；"
            f"每 {LONGEST_AGE.days} 天更换一次，不得与最近 5 次相同。"
        )


class HistoryValidator:
    """Never the present one again; in 等保 mode none of the last five."""

    def validate(self, password: str, user: User | None = None) -> None:
        if user is None or user._state.adding:
            return
        from xianning.models import PasswordHistory, User

        former = PasswordHistory.objects.filter(user=user)[: PasswordHistory.KEPT]
        hashes = [row.hashed for row in former] if settings.DENGBAO else []
        present = User.objects.filter(pk=user.pk).values_list("password", flat=True).first()
        if any(check_password(password, hashed) for hashed in {present, *hashes} if hashed):
            raise ValidationError(
                "这个密码最近用过，请换一个新的。" if hashes else "新密码与现在的密码相同。",
                code="used",
            )

    def password_changed(self, password: str, user: User | None = None) -> None:
        """Called by Django after the new hash is stored."""
        if user is None:
            return
        from xianning.models import PasswordHistory

        if settings.DENGBAO:
            PasswordHistory.objects.create(user=user, hashed=user.password)
        rows = PasswordHistory.objects.filter(user=user)
        kept = rows.values_list("pk", flat=True)[: PasswordHistory.KEPT]
        rows.exclude(pk__in=list(kept)).delete()

    def get_help_text(self) -> str:
        return "不能与现在的密码相同。"
