"""put.py: puts objects into the bucket `test`, [key, text] pairs as JSON from standard input, as a client does that knows
nothing of paths. What the server refuses is left out. Prints [key, MD5] of what is there then, as JSON.

Runs in the environment with boto3; server and keys come from S3_ENDPOINT_URL, S3_ACCESS_KEY, S3_SECRET_KEY.
"""
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["S3_ENDPOINT_URL"],
    aws_access_key_id=os.environ["S3_ACCESS_KEY"],
    aws_secret_access_key=os.environ["S3_SECRET_KEY"],
    region_name="us-east-1",
    config=Config(max_pool_connections=8, retries={"max_attempts": 1}),
)


def put(pair):
    try:
        s3.put_object(Bucket="test", Key=pair[0], Body=pair[1].encode())
    except ClientError:
        pass  # its right: it is no path


with ThreadPoolExecutor(8) as pool:
    list(pool.map(put, json.load(sys.stdin)))
found = []
for page in s3.get_paginator("list_objects_v2").paginate(Bucket="test"):
    found += [[o["Key"], o["ETag"].strip('"')] for o in page.get("Contents", []) if not o["Key"].startswith(".cairnfs/")]
json.dump(found, sys.stdout)
