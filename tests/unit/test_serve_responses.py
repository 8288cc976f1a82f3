from __future__ import annotations

from gunicorn.http.body import Body, LengthReader

from serve.responses import n_unread


def test_a_length_of_any_number_of_digits_is_known_to_be_unread() -> None:
    assert n_unread(Body(LengthReader(None, 10**400))) >= 1 << 16


def test_a_short_length_is_counted_exactly() -> None:
    assert n_unread(Body(LengthReader(None, 12))) == 12
