"""bucket.py BUCKET [OTHERS...]: prints SHA-256 and key of every object, for tests that look into a bucket past the code under
test. Keys that contain one of OTHERS are left out: they belong to tests that run at the same time, and come and go.

Runs in the environment with boto3; server and keys come from the variables S3_ENDPOINT_URL, S3_ACCESS_KEY, S3_SECRET_KEY.
"""
import hashlib
import os
import sys

import boto3

s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["S3_ENDPOINT_URL"],
    aws_access_key_id=os.environ["S3_ACCESS_KEY"],
    aws_secret_access_key=os.environ["S3_SECRET_KEY"],
    region_name="us-east-1",
)
bucket, *others = sys.argv[1:]
for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
    for item in page.get("Contents", []):
        if any(other in item["Key"] for other in others):
            continue
        digest = hashlib.sha256()
        for block in s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].iter_chunks(1 << 20):
            digest.update(block)
        print(digest.hexdigest(), item["Key"], sep="\t")
