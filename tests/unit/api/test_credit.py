import pytest

from api.http.server.credit import Credit


def test_silence_uses_the_credit_up() -> None:
    credit = Credit(20, 500)
    assert not credit.used_up(10**9)  # not begun
    credit.begin(100)
    assert not credit.used_up(120)
    assert credit.used_up(120.1)


@pytest.mark.parametrize(("bytes_per_s", "lasts"), [(499, False), (501, True)])
def test_the_rate_decides_who_is_waited_for(bytes_per_s: int, lasts: bool) -> None:
    credit = Credit(20, 500)
    credit.begin(0)
    for second in range(1, 20_000):
        credit.earn(bytes_per_s, second)
    assert credit.used_up(20_000) != lasts


def test_a_fast_beginning_buys_no_long_silence() -> None:
    credit = Credit(20, 500)
    credit.begin(0)
    credit.earn(2 * 1024**3, 1)
    assert not credit.used_up(21)
    assert credit.used_up(21.1)
