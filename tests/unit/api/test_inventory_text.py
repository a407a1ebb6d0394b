"""Inventory text: what is refused, and where it is wrong."""

import pytest
from drover_api.resources.inventories.importing.ini import parse_ini
from drover_api.resources.inventories.importing.parsed import ParsedGroup, refuse_cycles
from drover_api.resources.inventories.importing.patterns import expand
from drover_api.resources.inventories.importing.yaml_text import parse_yaml
from drover_api.resources.inventories.schemas import group_name_fault, host_name_fault
from drover_shared.domain.errors import InvalidError


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[a:children]\nb", "line 2: there is no section for the group b"),
        ("[a:vars]\nx=1", "line 1: there is no section for the group a"),
        ("[a:things]\nb", "line 1: a section is"),
        ("[a b]", "line 1: not a section"),
        ("h1\n\nh1 x", "line 3: expected key=value"),
        ("h[1:999999999]", "no range"),
        ("h[1:90000][1:90000]", "more than"),
        ("h[01:1]", "same width"),
        ("h[z:a]", "no range"),
        ("h:99999", "no port"),
        ('h1 x="', "No closing quotation"),
        ("[1a]", "group 1a"),
        ("a/b", "host a/b"),
    ],
)
def test_wrong_ini_names_its_line(text: str, part: str) -> None:
    with pytest.raises(InvalidError, match=r"/content: line \d+: ") as caught:
        parse_ini(text)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[1]", "mapping of groups"),
        ("all: [1]", "all: must be a mapping"),
        ("all: {hosts: {h: [1]}}", "all.hosts.h: must be a mapping"),
        ("all: {vars: {x: .nan}}", "content.all.vars.x: a number that is not finite"),
        ("all: {vars: {x: !!binary aGk=}}", "a bytes cannot be stored"),
        ("all: {vars: {1.5: x}}", "is no text"),
        ("all: {host: {}}", "only hosts, vars and children"),
        ("a:\n  {", "line 3"),
        ("!!python/object:os.system {}", "line 1"),
        ("[" * 100_000, "nested too deeply"),
        ("all: " + "{children: {a: " * 60 + "}}" * 60, "nested too deeply"),
    ],
)
def test_wrong_yaml_names_its_place(text: str, part: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_yaml(text)
    assert part in str(caught.value)


def test_aliases_cannot_blow_up_an_import() -> None:
    rows = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    rows += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    content = "all:\n  vars:\n" + "".join(f"    {row}\n" for row in rows)
    with pytest.raises(InvalidError, match="too much"):
        parse_yaml(content)


HUGE = "0x" + "F" * 5000


@pytest.mark.parametrize("value", ["1e999", "-1e999", HUGE, f"[{HUGE}]"])
def test_numbers_that_nothing_can_store_stay_texts_in_ini(value: str) -> None:
    assert parse_ini(f"h x={value}").hosts == {"h": {"x": value}}


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan", HUGE, f"[{HUGE}]", f"{{a: {HUGE}}}"])
def test_numbers_that_nothing_can_store_are_refused_in_yaml(value: str) -> None:
    with pytest.raises(InvalidError, match="too large"):
        parse_yaml(f"all: {{vars: {{x: {value}}}}}")


def test_tags_of_ansible_are_kept_in_its_json_form() -> None:
    parsed = parse_yaml("all: {vars: {secret: !vault x, plain: !unsafe '{{ y }}'}}")
    assert parsed.variables == {"secret": {"__ansible_vault": "x"}, "plain": {"__ansible_unsafe": "{{ y }}"}}


def test_groups_and_hosts_keep_their_order_and_their_links() -> None:
    parsed = parse_ini("h0\n[a]\nh[1:2] x=1\n[b:children]\na\n[b:vars]\ny = 2\n[all:vars]\nz=3")
    assert parsed.variables == {"z": 3}
    assert parsed.hosts == {"h0": {}, "h1": {"x": 1}, "h2": {"x": 1}}
    assert parsed.groups == {
        "a": ParsedGroup(hosts={"h1": None, "h2": None}),
        "b": ParsedGroup(variables={"y": 2}, children={"a": None}),
    }


@pytest.mark.parametrize(
    ("pattern", "hosts", "port"),
    [
        ("h", ["h"], None),
        ("h:22", ["h"], 22),
        ("h[08:10]x", ["h08x", "h09x", "h10x"], None),
        ("h[1:9:4]", ["h1", "h5", "h9"], None),
        ("[a:c]", ["a", "b", "c"], None),
        ("h[1:2]:2222", ["h1", "h2"], 2222),
        ("[::1]:22", ["::1"], 22),
        ("fe80::1", ["fe80::1"], None),
    ],
)
def test_patterns(pattern: str, hosts: list[str], port: int | None) -> None:
    assert expand(pattern, "here") == (hosts, port)


@pytest.mark.parametrize(
    "name", ["", "a b", "web[1:3]", "h:22", "-x", "a,b", "../x", "a" * 300, "a\nb", "a\n"]
)
def test_odd_host_names_are_refused(name: str) -> None:
    assert host_name_fault(name)


@pytest.mark.parametrize("name", ["h", "10.0.0.1", "fe80::1", "h_1.example.com", "über", "web-01"])
def test_common_host_names_are_taken(name: str) -> None:
    assert host_name_fault(name) is None


@pytest.mark.parametrize("name", ["all", "ungrouped", "1a", "a b", "a:b", "", "a\n"])
def test_odd_group_names_are_refused(name: str) -> None:
    assert group_name_fault(name)


def test_circles_are_found_and_diamonds_are_none() -> None:
    refuse_cycles({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}})
    with pytest.raises(InvalidError):
        refuse_cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}})
