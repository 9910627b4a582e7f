"""What the terminal shows is text, and no more."""

from fedleak.gate.terminal import verdict_lines


def test_what_steers_a_terminal_is_left_out(make_verdict, make_row):
    lines = list(verdict_lines(make_verdict(["psnr < 1"], [make_row(9.0, defense="a\x1b[31mb\0c\x9b")])))
    assert any("'a[31mbc'" in line for line in lines)
    assert not {"\x1b", "\x9b", "\0"} & {*"".join(lines)}
