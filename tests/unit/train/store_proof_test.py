import dataclasses

import pytest

from palo.errors import StorageError
from palo.train.store_proof import check_proof, leave_proof


def test_a_worker_that_sees_the_same_folder_goes_on(make_job, bucket):
    for job in (make_job(), dataclasses.replace(make_job(), output=bucket / "run")):
        check_proof(job, leave_proof(job), wait_s=0)


def test_a_worker_with_another_folder_is_told_before_anything_is_loaded(make_job, tmp_path):
    job = make_job()
    proof = leave_proof(job)
    elsewhere = dataclasses.replace(job, output=tmp_path / "another disk")
    with pytest.raises(StorageError, match=r"don't see the run folder.*holds nothing.*s3://"):
        check_proof(elsewhere, proof, wait_s=0)
    leave_proof(elsewhere)
    with pytest.raises(StorageError, match="is another folder"):
        check_proof(elsewhere, proof, wait_s=0)


def test_a_store_that_refuses_is_told_in_its_own_words(make_job, bucket):
    job = dataclasses.replace(make_job(), output=bucket / "run")
    missing = bucket.place._replace(bucket="no-such-bucket")
    elsewhere = dataclasses.replace(job, output=type(bucket)(missing.uri) / "run")
    with pytest.raises(StorageError, match="no such bucket"):
        check_proof(elsewhere, "0", wait_s=0)
