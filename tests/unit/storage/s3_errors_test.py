"""A store that refuses, breaks off or never answers is told in one line, after a few tries."""

import itertools
import re
import time

import pytest
from tests.fixtures.s3 import Answer, Request

from palo import storage
from palo.errors import ConfigError, StorageError
from palo.storage import S3Path


@pytest.fixture(autouse=True)
def _short_waits(s3_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("palo.storage.s3_requests._FIRST_WAIT_S", 0.01)


_USES = {
    "read": lambda bucket: storage.read_text(bucket / "a.txt"),
    "open": lambda bucket: (bucket / "a.txt").open("rb"),
    "stat": lambda bucket: (bucket / "a.txt").stat(),
    "exists": lambda bucket: (bucket / "a.txt").exists(),
    "list": lambda bucket: list((bucket / "a").iterdir()),
    "write": lambda bucket: storage.write_text(bucket / "a.txt", "a"),
    "delete": lambda bucket: storage.remove(bucket / "a"),
    "prove": storage.ensure_folder,
}
every_use = pytest.mark.parametrize("use", _USES.values(), ids=_USES)


@every_use
def test_a_missing_bucket_is_named(bucket: S3Path, use) -> None:
    gone = S3Path(str(bucket).replace("bucket-", "gone-"))
    with pytest.raises(StorageError, match=r"no such bucket: gone-\d+ at http://127.*Check its na"):
        use(gone)


@every_use
def test_denied_access_names_the_credentials(own_store, use) -> None:
    store = own_store(lambda _: Answer(403, "AccessDenied"))
    with pytest.raises(StorageError, match=r"may not \w+ s3://own.*Check the credentials"):
        use(store.bucket)
    assert len(store.requests) == 1  # nothing would change


@every_use
def test_another_region_is_named(own_store, use) -> None:
    headers = (("x-amz-bucket-region", "eu-north-1"),)
    store = own_store(lambda _: Answer(301, "PermanentRedirect", headers=headers))
    with pytest.raises(StorageError, match=r"in another region: .*Set AWS_REGION to eu-north-1;"):
        use(store.bucket)


@every_use
def test_a_store_that_never_answers_is_given_up(
    silent_address: str, monkeypatch: pytest.MonkeyPatch, use
) -> None:
    monkeypatch.setenv("PALO_S3_TIMEOUT_S", "0.05")
    monkeypatch.setenv("PALO_S3_ATTEMPTS", "2")
    start = time.monotonic()
    with pytest.raises(
        StorageError, match=r"tried 2 times: http://.* [Tt]imeout.*AWS_ENDPOINT_URL"
    ):
        use(S3Path(f"s3://b1?endpoint_override={silent_address}&scheme=http"))
    assert time.monotonic() - start < 5


@every_use
def test_a_store_where_nobody_listens_is_named(
    unused_address: str, monkeypatch: pytest.MonkeyPatch, use
) -> None:
    monkeypatch.setenv("PALO_S3_ATTEMPTS", "2")
    with pytest.raises(
        StorageError, match=rf"tried 2 times: http://{unused_address}: Could not con"
    ):
        use(S3Path(f"s3://b1?endpoint_override={unused_address}&scheme=http"))


def test_a_store_in_trouble_is_asked_a_few_times_and_no_more(own_store) -> None:
    store = own_store(lambda _: Answer(503, "SlowDown"))
    with pytest.raises(
        StorageError, match=r"can't read s3://own/a\.txt.*tried 5 times: .*SlowDown"
    ):
        storage.read_bytes(store.bucket / "a.txt")
    assert len(store.requests) == 5


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(500, "InternalError"),
        Answer(503),
        Answer(400, "RequestTimeout"),
        Answer(200, body=b"who", headers=(("Content-Length", "5"), ("Connection", "close"))),
    ],
    ids=["internal", "no-body", "timeout", "cut-off"],
)
def test_trouble_that_passes_is_not_noticed(own_store, trouble: Answer) -> None:
    answers = itertools.chain([trouble, trouble], itertools.repeat(Answer(200, body=b"whole")))
    store = own_store(lambda _: next(answers))
    assert storage.read_bytes(store.bucket / "a.txt") == b"whole"
    assert len(store.requests) == 3


def test_a_missing_object_is_a_missing_file(bucket: S3Path) -> None:
    for use in (S3Path.read_bytes, S3Path.open, S3Path.stat, S3Path.unlink):
        with pytest.raises(FileNotFoundError, match=r"No such object: 's3://.*absent"):
            use(bucket / "absent")
    with pytest.raises(StorageError, match=r"can't read .*No such object\. Check the path"):
        storage.read_range(bucket / "absent", 0, 1)


def test_missing_credentials_are_named(bucket: S3Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StorageError, match=r"without credentials: .*Set AWS_ACCESS_KEY_ID"):
        (bucket / "a.txt").read_text()


def test_other_refusals_are_told_in_the_stores_words(own_store) -> None:
    store = own_store(lambda _: Answer(400, "EntityTooLarge"))
    with pytest.raises(StorageError, match=r"can't write s3://own/a.*: EntityTooLarge: no\. Che"):
        (store.bucket / "a").write_bytes(b"a")


def test_a_refusal_without_words_is_told_by_its_code(own_store) -> None:
    body = b"<Error><Code>InvalidRequest</Code><Message></Message></Error>"
    store = own_store(lambda _: Answer(400, body=body))
    with pytest.raises(StorageError, match=r"can't write s3://own/a.*: InvalidRequest\. Check"):
        (store.bucket / "a").write_bytes(b"a")


def test_a_store_without_the_newer_checksums_is_told_with_the_setting(
    own_store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = own_store(lambda _: Answer(411, "MissingContentLength"))
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported")
    with pytest.raises(StorageError, match=r"newer checksums: .*Unset AWS_REQUEST_CHECKSUM_CALC"):
        (store.bucket / "a").write_bytes(b"a")


@pytest.mark.parametrize(("name", "text"), [("ATTEMPTS", "0"), ("TIMEOUT_S", "soon")])
def test_wrong_settings_are_named(
    bucket: S3Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv(f"PALO_S3_{name}", text)
    with pytest.raises(ConfigError, match=f"PALO_S3_{name} must be a number above 0: '{text}'"):
        (bucket / "a.txt").exists()


class _Corrupting:
    """Keeps what it is sent, with the first byte of its first few objects changed."""

    def __init__(self, times: int, *, own_etags: bool = False) -> None:
        self.times = times
        self._own_etags = own_etags
        self._content = b""

    def __call__(self, request: Request) -> Answer:
        import hashlib

        if request.method == "PUT":
            self._content = request.body
            if self.times > 0:
                self.times -= 1
                self._content = b"?" + request.body[1:]
        etag = "0" * 32 if self._own_etags else hashlib.md5(self._content).hexdigest()
        headers = (
            ("ETag", f'"{etag}"'),
            ("Last-Modified", "Wed, 25 Nov 2026 00:00:00 GMT"),
            ("Content-Length", str(len(self._content) if request.method != "PUT" else 0)),
        )
        return Answer(200, body=self._content if request.method == "GET" else b"", headers=headers)


@pytest.mark.parametrize("own_etags", [False, True])
def test_a_write_that_was_corrupted_is_repeated(own_store, *, own_etags: bool) -> None:
    store = own_store(_Corrupting(2, own_etags=own_etags))
    storage.write_text(store.bucket / "a.txt", "whole")
    assert storage.read_text(store.bucket / "a.txt") == "whole"
    methods = [request.method for request in store.requests]
    assert methods.count("PUT") == 3
    assert methods.count("HEAD") == 3


@pytest.mark.parametrize("own_etags", [False, True])
def test_a_store_that_always_corrupts_is_refused(own_store, *, own_etags: bool) -> None:
    store = own_store(_Corrupting(100, own_etags=own_etags))
    with pytest.raises(
        StorageError, match=r"keeps other bytes of s3://own/a\.txt.* than were sent"
    ):
        storage.write_text(store.bucket / "a.txt", "whole")


def test_a_large_file_goes_in_parts_and_comes_back(
    bucket: S3Path, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("palo.storage.s3_upload.PART_BYTES", 5 << 20)
    content = bytes(range(256)) * (12 << 12)
    with storage.replacing(bucket / "a.bin") as partial:
        partial.write_bytes(content)
    assert storage.read_bytes(bucket / "a.bin") == content
    client = storage.s3_requests.client_of(bucket.place)
    etag = client.head_object(Bucket=bucket.place.bucket, Key="a.bin")["ETag"]
    assert re.fullmatch(r'"[0-9a-f]{32}-3"', etag)


def test_parts_of_an_upload_that_breaks_off_are_deleted(
    own_store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("palo.storage.s3_upload.PART_BYTES", 5 << 20)

    def answer(request: Request) -> Answer:
        if request.method == "POST":
            started = b"<InitiateMultipartUploadResult><UploadId>7</UploadId>"
            return Answer(200, body=started + b"</InitiateMultipartUploadResult>")
        return Answer(204) if request.method == "DELETE" else Answer(403, "AccessDenied")

    store = own_store(answer)
    with (
        pytest.raises(StorageError, match="may not write s3://own/a"),
        storage.replacing(store.bucket / "a.bin") as partial,
    ):
        partial.write_bytes(bytes(6 << 20))
    assert [(r.method, "uploadId=7" in r.path) for r in store.requests] == [
        ("POST", False),
        ("PUT", True),
        ("DELETE", True),
    ]
