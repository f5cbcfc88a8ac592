"""I2: two hundred passwords in both modes, typed by hand; none is cut off; 等保 age and repetition."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from xianning.management.commands.load_demo import PASSWORD
from xianning.models import PasswordHistory, User

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


# Good in both modes: three of four classes, and nobody's first guess. A blank belongs to it.
GOOD = _lines("""
木瓜 river 七根 lantern 9
Correct horse 7 battery staple
vT9#kq2Lw8!zRe
Moss2 under granite
蓝色拖拉机慢慢爬坡 Plum8
pLx7-wqTn-4hGd-Zc2m
J7m:r2 Vk9 bX4 tQ6
Nebel.Apfel.Krug.58
Quiet?Otter?Violin?3
墙上挂着3把Cello和伞
Zuckerrübe 61 fliegt
tangerine-Kayak-2-molten
9 geese Cross the ferry
Umbrella%Turnip%Quartz4
Hm4vd Zp8xn Rk6wb
brass+Fern+Inkwell+74
玉米地里的猫头鹰打Jazz7
yellow_Brick_over_Pond1
K8nq!Wm5zr?Tb2xh
Lentil (soup) & 6 onions
Gravel/Anchor/Mitten/39
春笋炖Lamb要放2颗枣
Ostrich4Parsnip6Velvet
tR8$mWp2&xKz5^Bn
Whisk 3 eggs, then nap!
picnic@Glacier@Owl@52
fUnGuS-thImble-oRbit-6
Pepper,Canyon,Flute,77
雨后第3天晒Mushroom
Zx9 kitten Blanket Foam
Saffron~Walnut~Beetle~6
4 Kites Above The Orchard
木头楼梯Squeak到半夜4点
Bn5-TyuL-Rm82-qWzx
Inkblot7 gallops sideways
Garlic&Thunder&Puppet9
七只Penguin排队买2斤糖
Mk3*vL8*wQ6*hD1
Rhubarb 88 whispers Low
Tundra=Cactus=Noodle=5
""")
# Good, but 等保 mode wants a third class.
FEW_CLASSES = _lines("""
correct horse battery
温泉街道的桂花十月又开了一次
violet otters hum quietly
walnut pebble trombone
the kettle sings at noon
我家阳台的薄荷长得比辣椒快
三只花猫蹲在豆腐店门口等雨停
marmalade tractor whistle
umbrella turnip quartz
vqmzktrlhwpx
zoo kelp brine hatch
雪夜里的面馆只剩一盏黄灯
brittle copper gondola
nobody irons the tablecloth
puddle jumping walrus
骑自行车去江边看芦苇和白鹭
eleven silent trumpets
velvet thimble orchard
kiwi ladder mosaic fern
老木匠做的板凳从来不摇晃
granite moth lullaby
slowly boiling lentils
谷雨那天奶奶在院里种下南瓜
inkwell beetle harbor
thunder pickle banjo
flamingo dentist paradox
mossy bricks remember
修表的师傅爱听收音机里的评书
bamboo zipper eclipse
tangled kite over barley
""")
TOO_SHORT = _lines("""
short-11-ch
Ab3$xY7!qZ2
七字不够长吧
correct hor
木瓜 river 9
Zx9#kq2Lw8!
12345678901
a
xianning
""")
# Known to everybody, with and without decoration.
COMMON = _lines("""
password1234
Password1234!
P@ssw0rd2026
P@$$w0rd1234!
passw0rd!!!!
passwordpassword
PASSWORD12345
1Password1!!
qwertyuiop12
Qwerty123456!
1q2w3e4r5t6y
1qaz2wsx3edc
!QAZ2wsx#EDC
qazwsxedcrfv
zxcvbnm12345
asdfghjkl123
asdfasdfasdf
qweasdzxc123
123456789012
1234567890ab
987654321098
111111111111
000000000000
aaaaaaaaaaaa
AAAAAAAAAAAA1!
abcdefghijkl
Abcdefgh1234!
abcabcabcabc
abc123abc123
Abc123!Abc123!
aB3$aB3$aB3$
xyxyxyxyxyxy
tiger8tiger8
q7q7q7q7q7q7
qwe123qwe123
letmein12345
Letmein2026!!
welcome12345
Welcome@2026
iloveyou1314
iloveyou5201314
woaini1314520
woaizuguo1949
sunshine2026!
dragon123456
monkey123456!
superman1234
football1234
trustno12345
changeme1234
ChangeMe2026!
administrator
Administrator1!
admin123456789
Admin@123456
@dm1n1str4t0r
root12345678
test12345678
guest2026!!!!
master123456
secret123456
Secret!Secret!
login1234567
default12345
huawei123456
Huawei@12345
oracle123456
mysql1234567!
20261123123456
2026-11-23!!
19491001-1001
1980年01月01日
一二三四五六七八九十一二
甲乙丙丁戊己庚辛壬癸
密码密码密码密码密码密码
我的密码是123456
管理员密码2026
我爱你中国1949!
ｐａｓｓｗｏｒｄ１２３４
ＰＡＳＳＷＯＲＤ！２０２６
!@#$%^&*()_+
............
------------
……………………………………
""")
# What is tried first against this system.
LOCAL = _lines("""
xianning2026!
Xianning@2026
XianNing12345
X1anN1ng2026!
x!ann!ng@2026
咸宁市2026年11月
咸宁咸宁咸宁咸宁
xianning-demo-2026
Xianning-demo-2026
xianan123456
咸安区人社局123
chibi12345678
Chibi@123456
赤壁市国资委2021
jiayu-jiayu-jiayu
Jiayu#2026#Jiayu
tongcheng2026
Tongcheng!123
chongyang1234
Chongyang_2026
tongshan12345
通山县通城县崇阳县
hubei-xianning
HubeiXianning1!
Wenquan-jiedao-1
renshe123456
Renshe@xianning1
shebao-2026-11
Shebao@12345
yibao1234567!
guoziwei2021
Guoziwei#2021
tuixiu-yijiao
Tuixiu@Yijiao1
shehuihua2026
退休人员社会化管理
国资委国资委国资委
社区社区社区123
shequ-jiedao-1
Shequ!Jiedao!
danganguan123
dangwei@2026!
zhengfu12345!
guanliyuan123
Guanliyuan@1
xitong-guanli
system-admin-1
System@Admin99
gongsi123456!
zhongguo1949!
桂泉机械厂123456
咸宁市桂泉机械厂
淦河纺织总厂2026
鄂南电力设备公司
陆水建材公司Aa1!
""")
# His own names: user name huajingban, 华经办 of 咸宁市桂泉机械厂退管科（演示）.
OWN = _lines("""
huajingban123
Huajingban@2026
HUAJINGBAN!!1
hu4j1ngb4n2026
华经办华经办华经办
华经办2026年!Aa
经办经办经办经办经办经办
huajingban-xianning
桂泉机械厂退管科
""")


def _is_taken(password: str, user: User) -> bool:
    try:
        validate_password(password, user)
    except ValidationError:
        return False
    return True


@pytest.fixture
def user(db: None) -> User:
    user = User.objects.get(username="qiye")
    user.username = "huajingban"
    user.save()
    return user


@pytest.mark.parametrize("dengbao", [False, True])
def test_two_hundred_passwords(dengbao: bool, settings: Any, user: User) -> None:
    settings.DENGBAO = dengbao
    bad = TOO_SHORT + COMMON + LOCAL + OWN
    expected = (
        dict.fromkeys(GOOD, True) | dict.fromkeys(FEW_CLASSES, not dengbao)
        | dict.fromkeys(bad, False)
    )  # fmt: skip
    assert len(expected) == len(GOOD) + len(FEW_CLASSES) + len(bad) >= 200
    wrong = [word for word, good in expected.items() if _is_taken(word, user) != good]
    assert wrong == []


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("short-11-ch", "至少 12 个字符，现为 11 个"),
        ("x7 " * 60, "最多 128 个字符"),
        ("Password1234!", "常见的密码"),
        ("tiger8tiger8", "重复"),
        ("Xianning-demo-2026", "几乎不剩别的"),
    ],
)
def test_a_refusal_says_what_is_wrong(password: str, sentence: str, user: User) -> None:
    with pytest.raises(ValidationError, match=sentence):
        validate_password(password, user)


LONG = "".join(
    f"{sign}{number * 7919 % 997:03d} " for number, sign in enumerate("灯mKq塔Zr窗Wd舟Vh钟Bt")
)


@pytest.mark.parametrize("length", [12, 64, 72, 73, 128])
def test_no_character_is_cut_off(
    length: int, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PBKDF2PasswordHasher, "iterations", 1000)
    settings.SECOND_FACTOR = False
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    password = (LONG * 3)[: length - 1] + "终"
    user = User.objects.get(username="qiye")
    validate_password(password, user)
    user.set_password(password)
    user.save()

    def status(tried: str) -> int:
        return (
            Client().post("/account/sign-in/", {"username": "qiye", "password": tried}).status_code
        )

    assert status(password) == 302
    assert status(f"{password[:-1]}结") == 200
    assert status(password[:-1]) == 200
    assert status(f"{password}终") == 200


def _change(client: Client, old: str, new: str) -> Any:
    return client.post(
        reverse("password_change"),
        {"old_password": old, "new_password1": new, "new_password2": new},
    )


def test_dengbao_asks_for_another_password_after_ninety_days(
    settings: Any, sign_in: Callable[[str], Client]
) -> None:
    settings.DENGBAO = True
    user = User.objects.filter(username="qiye")
    client = sign_in("qiye")
    user.update(password_changed_at=timezone.now() - timedelta(days=90) + timedelta(minutes=1))
    assert client.get("/").status_code == 200
    user.update(password_changed_at=timezone.now() - timedelta(days=90, minutes=1))
    assert client.get("/")["Location"] == reverse("password_change")
    assert "已满 90 天" in client.get(reverse("password_change")).content.decode()
    assert _change(client, PASSWORD, GOOD[0]).status_code == 302
    assert client.get("/").status_code == 200
    settings.DENGBAO = False
    user.update(password_changed_at=timezone.now() - timedelta(days=900))
    assert client.get("/").status_code == 200


def test_dengbao_refuses_the_last_five_and_else_only_the_present_one(
    settings: Any, sign_in: Callable[[str], Client]
) -> None:
    settings.DENGBAO = True
    client, old = sign_in("qiye"), PASSWORD
    for number, new in enumerate(GOOD[:7]):
        with time_machine.travel(timezone.now() + timedelta(seconds=number)):
            assert _change(client, old, new).status_code == 302, new
            for former in GOOD[max(0, number - 4) : number + 1]:
                refused = _change(client, new, former)
                assert "最近用过" in refused.content.decode(), former
        old = new
    assert PasswordHistory.objects.count() == PasswordHistory.KEPT == 5
    assert _change(client, old, GOOD[1]).status_code == 302  # the sixth before is free again
    settings.DENGBAO = False
    assert "与现在的密码相同" in _change(client, GOOD[1], GOOD[1]).content.decode()
    assert _change(client, GOOD[1], old).status_code == 302
    assert PasswordHistory.objects.filter(hashed__contains=old).count() == 0
