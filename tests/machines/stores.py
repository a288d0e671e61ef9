"""An S3 server as a process (moto's), and buckets in it."""

from __future__ import annotations

import itertools
import os
import sys

import boto3
from botocore.config import Config

from tests.support.serving import HOST

_KEY_ID, _SECRET, _REGION = "a-test", "no-secret", "us-east-1"
_numbers = itertools.count(1)


class Moto:
    """moto's server: everything is in its memory, and gone with the process.

    The pages of its listings are short (`page`), so that it doesn't take thousands of requests to have two.
    """

    page = 100

    def __init__(self, processes):
        command = (sys.executable, "-P", "-m", "moto.server", "-H", HOST, "-p", "0")
        env = {**os.environ, "MOTO_S3_DEFAULT_MAX_KEYS": str(self.page)}
        self.process = processes.start("moto", *command, env=env)
        self.url = self.process.wait_for(r"Running on (http://\S+:\d+)", seconds=60)[1]
        # Without retries and pools of connections that would be there after a test.
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=_KEY_ID,
            aws_secret_access_key=_SECRET,
            region_name=_REGION,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    @property
    def env(self):
        """The environment by which a program finds it, instead of AWS."""
        return environment_of(self.url)

    def new_bucket(self):
        name = f"bucket-{next(_numbers)}"
        self.client.create_bucket(Bucket=name)
        return Bucket(name, self)

    def close(self):
        self.client.close()


def environment_of(endpoint):
    """The environment by which a program finds an S3 server at an address."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": _KEY_ID,
        "AWS_SECRET_ACCESS_KEY": _SECRET,
        "AWS_REGION": _REGION,
        "AWS_DEFAULT_REGION": _REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": HOST,
    }


class Bucket:
    """A bucket of its own: its URL, the environment of programs that use it, and a boto3 client that looks into it."""

    def __init__(self, name, store):
        self.name = name
        self.url = f"s3://{name}"
        self.env = store.env
        self.page = store.page
        self.client = store.client

    def keys(self, prefix=""):
        """All keys, in order, the reserved ones included."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def get(self, key):
        """The contents of an object."""
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def put(self, key, data, **options):
        """Put an object, as another program would."""
        return self.client.put_object(Bucket=self.name, Key=key, Body=data, **options)

    def delete(self, keys):
        """Delete up to 1,000 objects, as another program would."""
        if keys:
            wanted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
            done = self.client.delete_objects(Bucket=self.name, Delete=wanted)
            assert "Errors" not in done, done

    def head(self, key):
        """What is known of an object without its contents: the fields of HeadObject."""
        return self.client.head_object(Bucket=self.name, Key=key)

    def uploads(self):
        """Multipart uploads that were begun and neither completed nor aborted, as (key, id)."""
        found = self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])
        return [(item["Key"], item["UploadId"]) for item in found]
