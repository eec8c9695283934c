"""What takes long to import, as functions that look at data do; and a client, as nearly all make one."""

import time

import boto3
import numpy
import pandas

client = boto3.client("s3", region_name="us-east-1")
frame = pandas.DataFrame({"number": numpy.arange(1000)})


def lambda_handler(event, context):
    # Holds its environment, so that the next invocation needs another.
    time.sleep(event.get("seconds", 0))
    return {"sum": int(frame["number"].sum())}
