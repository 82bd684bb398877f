"""What an s3:// URI names, however it was joined."""

import pytest

from palo.errors import StorageError
from palo.storage.s3_location import S3Location, is_uri, names_a_store, parse

_LOCAL = S3Location("b1", "a/b", "127.0.0.1:9000", "http")


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("s3://b1", S3Location("b1")),
        ("s3://b1/", S3Location("b1")),
        ("s3://b1/a//b/./c/", S3Location("b1", "a/b/c")),
        ("s3:/b1/a", S3Location("b1", "a")),
        ("s3://b1/a/b?endpoint_override=127.0.0.1:9000&scheme=http", _LOCAL),
        ("s3://b1/a?endpoint_override=127.0.0.1:9000&scheme=http/b", _LOCAL),
        ("s3://b1/a/b?scheme=http&endpoint_override=127.0.0.1%3A9000", _LOCAL),
        ("s3://b1/a?region=eu-west-1", S3Location("b1", "a", region="eu-west-1")),
        ("s3://b1/what?.jpg", S3Location("b1", "what?.jpg")),
        ("s3://b1/what?/now?region=eu-west-1", S3Location("b1", "what?/now", region="eu-west-1")),
        ("s3://b1/ein Bild/ä.jpg", S3Location("b1", "ein Bild/ä.jpg")),
    ],
)
def test_a_uri_names_a_place(uri: str, place: S3Location) -> None:
    assert is_uri(uri)
    assert parse(uri) == place
    assert parse(place.uri) == place


@pytest.mark.parametrize("text", ["s3:", "a/s3://b", "/s3://b", "http://b/a", ""])
def test_other_texts_do_not(text: str) -> None:
    assert not is_uri(text)


@pytest.mark.parametrize("text", ["s3://", "s3:/", "s3:///", "s3://?region=here", "b/a"])
def test_a_uri_without_a_bucket_is_refused(text: str) -> None:
    with pytest.raises(StorageError, match=r"not a place on S3.*Write s3://bucket/folder"):
        parse(text)


def test_a_way_up_is_refused() -> None:
    with pytest.raises(StorageError, match="keys on S3 have no"):
        parse("s3://b1/a/../b")


def test_what_a_row_says_names_no_other_store() -> None:
    for text in ("a?endpoint_override=evil:80/b", "?region=x", "a?scheme=http&region=y"):
        assert names_a_store(text)
    for text in ("a?.jpg", "what?/region=x", "scheme=http", ""):
        assert not names_a_store(text)
