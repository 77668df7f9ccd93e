"""Create buckets that do not exist: `python create_buckets.py NAME...`. The store is that of AWS_ENDPOINT_URL."""

import sys

import boto3

client = boto3.client("s3")
existing = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
for name in sys.argv[1:]:
    if name not in existing:
        client.create_bucket(Bucket=name)
