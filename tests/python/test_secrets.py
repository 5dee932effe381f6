"""What a peer says again of a credential is hidden in every spelling, and nothing beside it."""

import html
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_session._secrets import without_secrets

MOST_LAYERS = 4
# Of what no escape begins with (such a secret is below), and of nothing that stands around it.
SECRETS = st.text(
    st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="\\%&|~"),
    min_size=5,
    max_size=20,
)
AROUND = st.text("|~", max_size=8).map(str.encode)


def in_json(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def in_url(character: str) -> str:
    return "".join(f"%{byte:02x}" for byte in character.encode())


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": in_json,
    "JSON in capitals": lambda it: in_json(it).upper().replace("U", "u"),
    "a URL": in_url,
    "a URL in capitals": lambda it: in_url(it).upper(),
    "HTML": lambda it: f"&#{ord(it)};",
    "HTML by base 16": lambda it: f"&#x{ord(it):x};",
    "HTML with zeros": lambda it: f"&#X00{ord(it):X};",
    "HTML by names": html.escape,
}


@given(SECRETS, AROUND, AROUND, st.data())
def test_each_character_of_a_secret_is_hidden_however_it_is_spelled(
    secret: str, before: bytes, after: bytes, data: st.DataObject
) -> None:
    ways = data.draw(st.lists(st.sampled_from(list(SPELLINGS)), min_size=len(secret)))
    spelled = "".join(SPELLINGS[way](it) for way, it in zip(ways, secret, strict=False)).encode()

    shown = without_secrets(before + spelled + after, [secret])

    assert shown == before + b"*" * len(spelled) + after


@given(SECRETS, st.lists(st.sampled_from(list(SPELLINGS)), max_size=MOST_LAYERS))
def test_a_secret_is_hidden_that_is_spelled_anew_up_to_four_times(
    secret: str, ways: list[str]
) -> None:
    spelled = secret
    for way in ways:
        spelled = "".join(map(SPELLINGS[way], spelled))

    assert without_secrets(spelled.encode(), [secret]) == b"*" * len(spelled.encode())


@pytest.mark.parametrize(
    "secret", ["%73%65%63%72%65%74", "a\\u0062cdef", "&amp;&amp;&amp;", "a%%4141"]
)
@pytest.mark.parametrize("way", SPELLINGS)
def test_a_secret_that_looks_like_an_escape_is_hidden_as_it_is_and_as_it_is_read(
    secret: str, way: str
) -> None:
    spelled = "".join(map(SPELLINGS[way], secret)).encode()

    assert without_secrets(spelled, [secret]) == b"*" * len(spelled)
    assert b"secret" not in without_secrets(b"no secret", ["%73%65%63%72%65%74"])


@given(SECRETS, st.binary(max_size=5), st.binary(max_size=5), st.sampled_from(["-_", "+/"]))
def test_no_bit_of_a_secret_shows_in_base64(
    secret: str, before: bytes, after: bytes, alphabet: str
) -> None:
    encode = b64encode if alphabet == "+/" else urlsafe_b64encode
    first, last = len(before) * 8, (len(before) + len(secret.encode())) * 8
    encoded = encode(before + secret.encode() + after)

    for said in (encoded, encoded.rstrip(b"=")):
        shown = without_secrets(said, [secret])

        assert len(shown) == len(said)
        assert set(shown[first // 6 : -(last // -6)]) == {ord("*")}
        # One letter more holds no bit of it, nor does what stands farther off.
        assert shown[: max(first // 6 - 1, 0)].replace(b"*", b"") in said


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Basic dXNlcjpUT1AtU0VDUkVU, the 2nd", "Basic dXNlcj**************, the 2nd"),
        ("?state=VE9QLVNFQ1JFVA%3D%3D&x=1", "?state=**************%3D%3D&x=1"),
        ("5\r\nTOP-S\r\n5\r\nECRET\r\n0\r\n\r\n", "5\r\n*****\r\n5\r\n*****\r\n0\r\n\r\n"),
        ("5\r\n\\u005\r\n8\r\n4OP-SECR\r\n2\r\nET", "5\r\n*****\r\n8\r\n********\r\n2\r\n**"),
        ("TOP-SECRE", "TOP-SECRE"),
        ("100% &c. \\ &amp; \\u00e9 %C3", "100% &c. \\ &amp; \\u00e9 %C3"),
    ],
)
def test_nothing_but_the_secret_is_hidden(said: str, shown: str) -> None:
    assert without_secrets(said.encode(), ["TOP-SECRET"]).decode() == shown


def test_a_secret_beyond_ascii_is_hidden_as_latin_1_and_as_utf_8() -> None:
    said = "é-secret ".encode() + "é-secret ".encode("latin-1") + json.dumps("é-secret").encode()

    assert b"secret" not in without_secrets(said, ["é-secret"])


def test_what_two_secrets_share_is_hidden_for_both() -> None:
    assert without_secrets(b"Bearer first-second!", ["Bearer first-", "first-second"]) == (
        b"*" * 19 + b"!"
    )


@pytest.mark.parametrize("secret", ["", "e"])
def test_a_short_word_is_looked_for_as_it_is_alone(secret: str) -> None:
    shown = "".join("*" if it == secret else it for it in "where ZQ==")

    assert without_secrets(b"where ZQ==", [secret]).decode() == shown


MANY = 1 << 18
HOSTILE = {
    "escapes": b"%41" * MANY,
    "escapes within escapes": b"%" + b"25" * MANY,
    "backslashes": b"\\" * MANY,
    "a number without end": b"&#" + b"0" * MANY + b"65;",
    "names without end": b"&a" * MANY,
    "chunks": b"\r\n1\r\na" * MANY,
    "nearly the secret": b"a" * MANY,
    "the secret": (b"a" * 4096 + b"b") * (MANY >> 12),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_time_it_takes_grows_with_the_text_alone(name: str) -> None:
    # Were it with the square of it, this would take days.
    said = HOSTILE[name]

    shown = without_secrets(said, ["a" * 4096 + "b", "Bearer 0123456789"])

    assert len(shown) == len(said)
    assert (b"*" in shown) == (name == "the secret")
