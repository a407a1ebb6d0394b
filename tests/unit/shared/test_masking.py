"""No secret gets through, in whatever form and however the bytes are cut."""

import base64
import json

from drover_shared.masking import MASK, MaskedStream, Masker
from hypothesis import given
from hypothesis import strategies as st

SECRETS = ['s3cr3t/with+odd "chars"&ü', "short", "line one of a key\nline two of a key\n"]


def test_every_form_is_masked() -> None:
    masker = Masker(SECRETS)
    secret = SECRETS[0]
    forms = [
        secret,
        json.dumps(secret),
        json.dumps(json.dumps(secret)),
        json.dumps(secret, ensure_ascii=False),
        base64.b64encode(secret.encode()).decode(),
        secret.encode().hex(),
        "s3cr3t%2Fwith%2Bodd%20%22chars%22%26%C3%BC",
        "line two of a key",
    ]
    for form in forms:
        masked = masker.mask_text(f"before {form} after")
        assert MASK in masked
        assert masked.startswith("before ")
        assert masked.endswith(" after")
        assert "s3cr3t" not in masked
        assert "two" not in masked


def test_an_event_is_masked_as_its_values_are() -> None:
    masker = Masker([*SECRETS, "tab\there", "nul\0there"])
    for secret in (*SECRETS, "tab\there", "nul\0there"):
        for form in (secret, json.dumps(secret), json.dumps(json.dumps(secret)), repr(secret), "nothing"):
            event = {"seq": 1, "data": {"deep": [{form: f"before {form} after"}, 1, None]}, "host": None}
            assert masker.mask_event(event) == masker.mask_value(event)
            event["host"] = "\ud800"
            assert masker.mask_event(event) == masker.mask_value(event)


def test_a_secret_within_base64() -> None:
    """Wherever it falls into the groups of three bytes."""
    masker = Masker(["pass+word/22"])
    for before in ("", "u", "us", "use", "user:"):
        for after in ("", "@", "@h", "@host"):
            coded = base64.b64encode(f"{before}pass+word/22{after}".encode()).decode()
            masked = masker.mask_text(f"Basic {coded}")
            assert MASK in masked
            assert len(masked.replace(MASK, "")) <= len("Basic ") + (len(before) + len(after)) * 4 // 3 + 4


def test_values_and_keys() -> None:
    masker = Masker(["hunter22"])
    value = {"a": ["x hunter22 y", 1, None, True], "hunter22": {"b": "aHVudGVyMjI="}}
    expected = {"a": [f"x {MASK} y", 1, None, True], MASK: {"b": MASK}}
    assert masker.mask_value(value) == expected


def test_without_secrets_nothing_is_touched() -> None:
    value = {"a": "b"}
    assert Masker([]).mask_value(value) is value
    assert Masker(["ab"]).longest == 0  # too short to hide anything by


@given(st.data())
def test_cuts_do_not_matter(data: st.DataObject) -> None:
    """A stream cut anywhere gives what the whole gives."""
    masker = Masker(["hunter22", "hunt", "er22hun"])
    whole = b"".join(
        data.draw(st.lists(st.sampled_from([b"hunter22", b"hunt", b"er22", b"h", b"xx", b"$", b"\n"])))
    )
    stream, out, at = MaskedStream(masker), b"", 0
    while at < len(whole):
        size = data.draw(st.integers(1, 9))
        out += stream.feed(whole[at : at + size])
        at += size
    out += stream.close()
    assert b"hunt" not in out
    assert b"er22hun" not in out


def test_the_end_of_output_is_not_kept_back() -> None:
    stream = MaskedStream(Masker(["hunter22"]))
    assert stream.feed(b"plain text\n") == b"plain text\n"
    assert stream.feed(b"then hunt") == b"then "
    assert stream.feed(b"ing\n") == b"hunting\n"
    assert stream.feed(b"hunter2") == b""
    assert stream.close() == b"hunter2"
